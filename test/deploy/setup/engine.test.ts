import { test, type TestContext } from "node:test";
import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { findAddonPackage, isCompleteEntry, linkedEntry } from "../../../deploy/setup/addon.js";
import { defaultCacheDir } from "../../../deploy/setup/cache.js";
import { provisionEngine, workerEnvironment, type EngineChoice } from "../../../deploy/setup/engine.js";
import { ClusterError } from "../../../shared/errors.js";

// Every test has a cache and a copy of tfjs-node of its own: what the checkout uses is only read.
const TIMEOUT = { timeout: 120_000 };
const CHILD = fileURLToPath(new URL("./provision-child.js", import.meta.url));
const installedPackage = findAddonPackage("@tensorflow/tfjs-node", process.env);
const installedEntry = installedPackage === undefined ? undefined : linkedEntry(installedPackage);
const hasTensorflow =
  installedEntry !== undefined &&
  isCompleteEntry(installedEntry) &&
  existsSync(join(installedEntry, "deps/lib/libtensorflow_cc.so.2"));
const withTensorflow = {
  ...TIMEOUT,
  skip: hasTensorflow ? false : "no TensorFlow library is provisioned here",
};

interface Sandbox {
  folder: string;
  cacheDir: string;
  packageFolder: string;
  /** Without a GPU, with nothing to fetch from, and with a copy of tfjs-node of its own. */
  env: NodeJS.ProcessEnv;
  lines: string[];
  provision(more?: NodeJS.ProcessEnv, refresh?: boolean): Promise<EngineChoice>;
}

function makeSandbox(t: TestContext, { complete = false } = {}): Sandbox {
  const folder = mkdtempSync(join(tmpdir(), "saf-engine-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const cacheDir = join(folder, "cache");
  const packageFolder = join(folder, "tfjs-node");
  assert.ok(installedPackage, "the package @tensorflow/tfjs-node is not installed");
  mkdirSync(packageFolder);
  if (complete) {
    // What npm could not share with other packages lies in node_modules of its own.
    for (const part of ["package.json", "dist", "scripts", "binding", "node_modules"]) {
      const from = join(installedPackage, part);
      if (existsSync(from)) cpSync(from, join(packageFolder, part), { recursive: true });
    }
    symlinkSync(join(installedPackage, "../.."), join(folder, "node_modules"));
  } else {
    copyFileSync(join(installedPackage, "package.json"), join(packageFolder, "package.json"));
  }
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    CUDA_VISIBLE_DEVICES: "",
    SAF_TFJS_NODE_PACKAGE: packageFolder,
    TFJS_NODE_BASE_URI: "http://127.0.0.1:9/",
  };
  delete env["SAF_ENGINE"];
  delete env["SAF_TF_WHEEL"];
  delete env["CXX"];
  const lines: string[] = [];
  const provision = (more: NodeJS.ProcessEnv = {}, refresh = false): Promise<EngineChoice> =>
    provisionEngine({ cacheDir, env: { ...env, ...more }, refresh, progress: (line) => lines.push(line) });
  return { folder, cacheDir, packageFolder, env, lines, provision };
}

/** A `tensorflow` folder with the right file names; its libraries are empty unless those of the machine are linked in. */
function makeTensorflowFolder(folder: string, librariesFrom?: string): string {
  const place = join(folder, "tensorflow");
  mkdirSync(join(place, "include/tensorflow/c"), { recursive: true });
  writeFileSync(join(place, "include/tensorflow/c/c_api.h"), "");
  for (const name of ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"]) {
    if (librariesFrom === undefined) writeFileSync(join(place, name), "not a library");
    else symlinkSync(realpathSync(join(librariesFrom, name)), join(place, name));
  }
  return place;
}

function makeScript(file: string, body: string): string {
  writeFileSync(file, `#!/bin/sh\n[ "$1" = --version ] && exit 0\n${body}\n`);
  chmodSync(file, 0o755);
  return file;
}

test("the cache is in SAF_CACHE_DIR, else in XDG_CACHE_HOME, else in the home directory", () => {
  assert.equal(defaultCacheDir({ SAF_CACHE_DIR: "/c", XDG_CACHE_HOME: "/x", HOME: "/h" }), "/c");
  assert.equal(defaultCacheDir({ XDG_CACHE_HOME: "/x", HOME: "/h" }), "/x/saf");
  assert.equal(defaultCacheDir({ HOME: "/h" }), "/h/.cache/saf");
});

test("a worker gets one thread, and keeps what the operator has set", () => {
  const choice: EngineChoice = {
    engine: "tensorflow-gpu",
    version: "",
    device: "",
    why: [],
    environment: { A: "b" },
  };
  const env = workerEnvironment(choice, { TF_ENABLE_ONEDNN_OPTS: "0", TF_CPP_MIN_LOG_LEVEL: "3" });

  assert.equal(env["TF_NUM_INTRAOP_THREADS"], "1");
  assert.equal(env["TF_ENABLE_ONEDNN_OPTS"], "0");
  assert.equal(env["TF_CPP_MIN_LOG_LEVEL"], "3");
  assert.equal(env["TF_FORCE_GPU_ALLOW_GROWTH"], "true");
  assert.equal(env["A"], "b");
  assert.ok(!("TF_FORCE_GPU_ALLOW_GROWTH" in workerEnvironment({ ...choice, engine: "wasm" }, {})));
});

test("the second provisioning returns the first one's choice at once", TIMEOUT, async (t) => {
  const sandbox = makeSandbox(t);
  const first = await sandbox.provision({ SAF_ENGINE: "wasm" });
  sandbox.lines.length = 0;
  const start = performance.now();

  const second = await sandbox.provision({ SAF_ENGINE: "wasm" });

  assert.ok(performance.now() - start < 1000, "it took longer than a second");
  assert.deepEqual(second, first);
  assert.deepEqual(sandbox.lines, []);
  assert.equal(first.engine, "wasm");
  assert.ok(first.samplesPerSecond! > 0);
});

test("whoever names an engine now and then does not make the others choose again", TIMEOUT, async (t) => {
  const sandbox = makeSandbox(t);
  const unforced = { SAF_TFJS_NODE_PACKAGE: join(sandbox.folder, "nowhere") };
  const wasm = { ...unforced, SAF_ENGINE: "wasm" };
  const best = await sandbox.provision(unforced);
  const named = await sandbox.provision(wasm);
  const conditions = (): (string | null)[] => {
    const { conditions: last, earlier } = JSON.parse(
      readFileSync(join(sandbox.cacheDir, "engine.json"), "utf8"),
    ) as { conditions: { forced: string | null }; earlier: { conditions: { forced: string | null } }[] };
    return [last, ...earlier.map((one) => one.conditions)].map(({ forced }) => forced);
  };
  assert.deepEqual(conditions(), ["wasm", null]);
  sandbox.lines.length = 0;

  assert.deepEqual(await sandbox.provision(unforced), best);
  assert.deepEqual(sandbox.lines, [], "the best one was chosen again");
  assert.deepEqual(conditions(), [null, "wasm"], "a worker by hand takes what was asked for last");
  assert.deepEqual(await sandbox.provision(wasm), named);
  assert.deepEqual(conditions(), ["wasm", null]);
  // Chosen anew, nothing that was found before holds.
  await sandbox.provision(unforced, true);
  assert.deepEqual(conditions(), [null]);
});

test(
  "what a clone without the addon's package chose does not hold for one that has it",
  TIMEOUT,
  async (t) => {
    const sandbox = makeSandbox(t);
    // Nothing is to be had in its place: what is asked is whether it is looked for.
    const wheel = { SAF_TF_WHEEL: join(sandbox.folder, "absent.whl") };
    const missing = { ...wheel, SAF_TFJS_NODE_PACKAGE: join(sandbox.folder, "nowhere") };
    const without = await sandbox.provision(missing);
    const file = join(sandbox.cacheDir, "engine.json");
    const record = JSON.parse(readFileSync(file, "utf8")) as { conditions: { installed: string[] } };
    assert.equal(without.engine, "wasm");
    assert.ok(!record.conditions.installed.includes("@tensorflow/tfjs-node"));
    // As if this clone's package lay where the other one's is missing.
    writeFileSync(
      file,
      JSON.stringify({
        ...record,
        conditions: { ...record.conditions, addonPackage: sandbox.packageFolder },
      }),
    );
    sandbox.lines.length = 0;
    await sandbox.provision(wheel);
    assert.ok(sandbox.lines.length > 0, "nothing was chosen anew");
  },
);

test("an engine that is forced and not to be had is an error with exit code 5", TIMEOUT, async (t) => {
  const sandbox = makeSandbox(t);
  const refused = (expected: RegExp) => (error: unknown) => {
    assert.ok(error instanceof ClusterError);
    assert.equal(error.exitCode, 5);
    assert.match(error.message, expected);
    assert.match(error.hint ?? "", /SAF_ENGINE=wasm/);
    return true;
  };

  await assert.rejects(
    sandbox.provision({ SAF_ENGINE: "tensorflow-gpu" }),
    refused(/no NVIDIA GPU is visible/),
  );
  const noPackage = { SAF_ENGINE: "tensorflow", SAF_TFJS_NODE_PACKAGE: join(sandbox.folder, "missing") };
  await assert.rejects(sandbox.provision(noPackage), refused(/@tensorflow\/tfjs-node is not installed/));
  assert.ok(!existsSync(join(sandbox.cacheDir, "engine.json")));
  assert.ok(!existsSync(join(sandbox.cacheDir, "setup.lock")));
});

test("the emulated engine needs nothing, and is remembered for nobody", async (t) => {
  const sandbox = makeSandbox(t);
  const choice = await sandbox.provision({ SAF_ENGINE: "emulated" });
  assert.equal(choice.engine, "emulated");
  assert.deepEqual(sandbox.lines, []);
  assert.ok(!existsSync(join(sandbox.cacheDir, "engine.json")));
});

test("an unknown name in SAF_ENGINE is a usage error that lists the names", async (t) => {
  const sandbox = makeSandbox(t);

  await assert.rejects(sandbox.provision({ SAF_ENGINE: "cuda" }), (error: unknown) => {
    assert.ok(error instanceof ClusterError);
    assert.equal(error.exitCode, 2);
    assert.match(error.message, /"cuda".*tensorflow-gpu, tensorflow, wasm/);
    return true;
  });
});

test("a corrupt wheel is named in the reasons, and wasm is taken", TIMEOUT, async (t) => {
  const sandbox = makeSandbox(t);
  const text = join(sandbox.folder, "tensorflow_cpu-2.21.0-text.whl");
  writeFileSync(text, "this is no archive");
  const torn = join(sandbox.folder, "tensorflow_cpu-2.21.0-torn.whl");
  writeFileSync(torn, Buffer.concat([Buffer.from("PK\u0003\u0004"), Buffer.alloc(5000, 7)]));

  const byText = await sandbox.provision({ SAF_TF_WHEEL: text });
  const byTorn = await sandbox.provision({ SAF_TF_WHEEL: torn });
  const byNothing = await sandbox.provision({ SAF_TF_WHEEL: join(sandbox.folder, "absent.whl") });

  for (const choice of [byText, byTorn, byNothing]) assert.equal(choice.engine, "wasm");
  assert.match(byText.why.join("\n"), /tensorflow: wheel: .*text\.whl is not a wheel: it is no zip archive/);
  assert.match(byTorn.why.join("\n"), /tensorflow: wheel: .*torn\.whl cannot be unpacked/);
  assert.match(byNothing.why.join("\n"), /absent\.whl does not exist/);
  assert.deepEqual(readdirSync(sandbox.cacheDir), ["engine.json"]);
});

test("without a compiler the reason says what to install", TIMEOUT, async (t) => {
  const sandbox = makeSandbox(t);
  const wheel = makeTensorflowFolder(sandbox.folder);

  const choice = await sandbox.provision({ SAF_TF_WHEEL: wheel, PATH: sandbox.folder });

  assert.equal(choice.engine, "wasm");
  assert.match(choice.why.join("\n"), /no C\+\+ compiler: install g\+\+/);
});

test("an addon that does not load is taken away again, and wasm is taken", TIMEOUT, async (t) => {
  const sandbox = makeSandbox(t, { complete: true });
  const wheel = makeTensorflowFolder(sandbox.folder);
  // The last argument but none is the output; any bytes will do for an addon that must not load.
  const CXX = makeScript(join(sandbox.folder, "cxx"), 'for last; do :; done\necho "no addon" > "$last"');

  const choice = await sandbox.provision({ SAF_TF_WHEEL: wheel, CXX });

  assert.equal(choice.engine, "wasm");
  assert.match(choice.why.join("\n"), /tensorflow: wheel: .*(invalid ELF header|file too short)/);
  assert.ok(!existsSync(join(sandbox.packageFolder, "lib/napi-v8")));
});

test(
  "a setup killed in the middle leaves nothing half-made, and the next one does not wait for it",
  TIMEOUT,
  async (t) => {
    const sandbox = makeSandbox(t);
    const compilerPid = join(sandbox.folder, "pid");
    const hanging = makeScript(join(sandbox.folder, "hanging"), `echo $$ > ${compilerPid}.new; mv ${compilerPid}.new ${compilerPid}; exec sleep 100`); // prettier-ignore
    const wheel = makeTensorflowFolder(sandbox.folder);
    const env = { ...sandbox.env, SAF_TF_WHEEL: wheel, CXX: hanging };
    const child = spawn(process.execPath, [CHILD, sandbox.cacheDir], {
      env,
      stdio: ["ignore", "ignore", "pipe"],
    });
    t.after(() => killQuietly(compilerPid));

    await lineMatching(child, /compiling the addon/);
    child.kill("SIGKILL");
    await once(child, "close");

    assert.ok(!existsSync(join(sandbox.cacheDir, "engine.json")));
    assert.ok(existsSync(join(sandbox.cacheDir, "setup.lock")));
    assert.ok(
      readdirSync(sandbox.cacheDir).every((name) => name === "setup.lock" || name.startsWith(".part-")),
    );
    const failing = makeScript(join(sandbox.folder, "failing"), 'echo "fatal error: no luck" >&2; exit 1');
    const choice = await sandbox.provision({ SAF_TF_WHEEL: wheel, CXX: failing });
    assert.equal(choice.engine, "wasm");
    assert.match(choice.why.join("\n"), /cannot compile .*fatal error: no luck/);
    assert.ok(!sandbox.lines.some((line) => line.includes("another setup")), sandbox.lines.join("\n"));
    assert.deepEqual(readdirSync(sandbox.cacheDir), ["engine.json"]);
  },
);

test("two setups at once do the work once and agree", TIMEOUT, async (t) => {
  const sandbox = makeSandbox(t);
  const log = join(sandbox.folder, "compilations");
  const CXX = makeScript(join(sandbox.folder, "cxx"), `echo once >> ${log}; exit 1`);
  const env = { ...sandbox.env, SAF_TF_WHEEL: makeTensorflowFolder(sandbox.folder), CXX };
  const run = () =>
    promisify(execFile)(process.execPath, [CHILD, sandbox.cacheDir], { env, timeout: 60_000 });

  const [one, other] = await Promise.all([run(), run()]);

  assert.equal(one.stdout, other.stdout);
  assert.equal((JSON.parse(one.stdout) as EngineChoice).engine, "wasm");
  assert.equal(readFileSync(log, "utf8"), "once\n");
});

test(
  "an unpacked TensorFlow folder is compiled, linked, verified, and linked again after npm ci",
  withTensorflow,
  async (t) => {
    const sandbox = makeSandbox(t, { complete: true });
    const wheel = makeTensorflowFolder(sandbox.folder, join(installedEntry!, "deps/lib"));
    // A stand-in for the compiler that copies the addon compiled before: the real one has run for `installedEntry`.
    const addon = join(installedEntry!, "lib/napi-v8/tfjs_binding.node");
    const CXX = makeScript(join(sandbox.folder, "cxx"), `for last; do :; done\ncp ${addon} "$last"`);
    const env = { SAF_TF_WHEEL: wheel, CXX };

    const choice = await sandbox.provision(env);
    rmSync(join(sandbox.packageFolder, "lib"), { recursive: true });
    rmSync(join(sandbox.packageFolder, "deps"), { recursive: true });
    sandbox.lines.length = 0;
    const again = await sandbox.provision(env);

    assert.equal(choice.engine, "tensorflow");
    assert.match(choice.version, /^TensorFlow \d+\.\d+\.\d+/);
    assert.ok(choice.samplesPerSecond! > 0);
    assert.deepEqual(again, choice);
    assert.deepEqual(sandbox.lines, []);
    const link = readlinkSync(join(sandbox.packageFolder, "lib/napi-v8"));
    assert.ok(link.startsWith(sandbox.cacheDir), link);
    assert.ok(existsSync(join(link, "tfjs_binding.node")));
  },
);

test(
  "the stock library is fetched by the package's own script where its host answers",
  withTensorflow,
  async (t) => {
    const sandbox = makeSandbox(t, { complete: true });
    const archives = await makeStockArchives(sandbox.folder, installedEntry!);
    const server = createServer((request, response) => {
      const archive = archives.find(({ suffix }) => request.url?.endsWith(suffix));
      if (archive === undefined) response.writeHead(404).end();
      else response.end(readFileSync(archive.file));
    });
    t.after(() => server.close());
    await once(server.listen(0, "127.0.0.1"), "listening");
    const host = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

    const choice = await sandbox.provision({
      TFJS_NODE_BASE_URI: `${host}/libtensorflow-`,
      npm_config_tfjs_binding_binary_host_mirror: host,
    });

    assert.equal(choice.engine, "tensorflow");
    assert.deepEqual(choice.why, ['tensorflow-gpu: no NVIDIA GPU is visible (CUDA_VISIBLE_DEVICES is "")']);
    assert.deepEqual(readdirSync(sandbox.cacheDir).sort(), ["engine.json", "tensorflow-stock"]);
  },
);

/** The two archives of the stock installation: the library (links to the one that is here) and the compiled addon. */
async function makeStockArchives(folder: string, entry: string): Promise<{ suffix: string; file: string }[]> {
  const stage = join(folder, "stage");
  mkdirSync(join(stage, "lib"), { recursive: true });
  mkdirSync(join(stage, "napi-v8"));
  const names = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"];
  for (const name of names)
    symlinkSync(realpathSync(join(entry, "deps/lib", name)), join(stage, "lib", name));
  symlinkSync(names[0]!, join(stage, "lib/libtensorflow.so.2.9.1"));
  copyFileSync(join(entry, "lib/napi-v8/tfjs_binding.node"), join(stage, "napi-v8/tfjs_binding.node"));
  const pack = async (name: string): Promise<string> => {
    const file = join(folder, `${name}.tar.gz`);
    await promisify(execFile)("tar", ["-C", stage, "-czf", file, name]);
    return file;
  };
  return [
    { suffix: "-2.9.1.tar.gz", file: await pack("lib") },
    { suffix: "-4.22.0.tar.gz", file: await pack("napi-v8") },
  ];
}

async function lineMatching(child: ChildProcess, pattern: RegExp): Promise<void> {
  const seen: string[] = [];
  for await (const line of createInterface({ input: child.stderr! })) {
    if (pattern.test(line)) return;
    seen.push(line);
  }
  assert.fail(`the child ended without a line like ${pattern}: ${seen.join("\n")}`);
}

/** The stand-in compiler outlives a killed setup, as a real one would. */
function killQuietly(pidFile: string): void {
  try {
    process.kill(Number(readFileSync(pidFile, "utf8")), "SIGKILL");
  } catch {
    // It was not started yet.
  }
}
