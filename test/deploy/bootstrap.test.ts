import assert from "node:assert/strict";
import { spawn, spawnSync, type SpawnSyncReturns } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { copyFile, cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

const deploy = join(dirname(fileURLToPath(import.meta.url)), "../../deploy");

/** A build in the small: it "compiles" the program by copying it, or fails where a source says so. */
const BUILD = `
import { copyFileSync, cpSync, mkdirSync, readFileSync } from "node:fs";
if (readFileSync("shared/source.ts", "utf8").includes("broken")) {
  process.stderr.write("shared/source.ts(1,1): error TS1: broken\\n");
  process.exit(1);
}
mkdirSync("dist/deploy/cli", { recursive: true });
copyFileSync("program.js", "dist/deploy/cli/main.js");
if (process.argv.includes("--program")) process.exit(0);
cpSync("test", "dist/test", { recursive: true });
if (readFileSync("test/a.test.js", "utf8").includes("broken")) {
  process.stderr.write("test/a.test.js(1,1): error TS1: broken\\n");
  process.exit(1);
}
`;

const PROGRAM = `
const [command, ...args] = process.argv.slice(2);
if (command === "setup") console.log("setup speaks");
else console.log(JSON.stringify({ command, args }));
if (args.includes("fail")) process.exitCode = 7;
if (args.includes("wait")) {
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => { console.log(signal); process.exit(signal === "SIGINT" ? 130 : 143); });
  setInterval(() => {}, 1000);
  console.log("ready");
}
`;

interface Project {
  root: string;
  write(path: string, text: string): Promise<void>;
  /** Names the package's version in package.json, package-lock.json and the package. */
  writePackages(version: string): Promise<void>;
  run(script: string, ...args: string[]): SpawnSyncReturns<string>;
}

/** A fresh clone of a program with one package that needs no network. */
async function freshClone(t: TestContext): Promise<Project> {
  const root = await mkdtemp(join(tmpdir(), "saf-bootstrap-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  return clone(root);
}

let installed: Promise<string> | undefined;
after(async () => {
  if (installed !== undefined) await rm(await installed, { recursive: true, force: true });
});

/** A clone in which the packages are there. They are installed once. */
async function installedClone(t: TestContext): Promise<Project> {
  installed ??= (async () => {
    const root = await mkdtemp(join(tmpdir(), "saf-bootstrap-"));
    const { status, stderr } = (await clone(root)).run("bootstrap.mjs", "build");
    assert.equal(status, 0, stderr);
    return root;
  })();
  const project = await freshClone(t);
  await cp(await installed, project.root, { recursive: true, verbatimSymlinks: true });
  return project;
}

async function clone(root: string): Promise<Project> {
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  const writePackages = async (version: string): Promise<void> => {
    const own = { name: "sample", version: "1.0.0", dependencies: { dep: "file:dep" } };
    const packages = { "": own, dep: { version }, "node_modules/dep": { resolved: "dep", link: true } };
    await write("package.json", JSON.stringify({ ...own, type: "module" }));
    await write("package-lock.json", JSON.stringify({ name: "sample", lockfileVersion: 3, packages }));
    await write("dep/package.json", JSON.stringify({ name: "dep", version }));
  };
  await writePackages("1.0.0");
  await write("tsconfig.json", "{}");
  await write("shared/source.ts", "fine");
  await mkdir(temporaryOf(root), { recursive: true });
  await write("program.js", PROGRAM);
  await write("test/a.test.js", `import { test } from "node:test"; test("a runs", () => {});`);
  await write(
    "test/b.test.js",
    `import { test } from "node:test"; test("b fails", () => { throw new Error("b"); });`,
  );
  await write(
    "test/bench/c.test.js",
    `import { test } from "node:test"; test("c is a benchmark", () => {});`,
  );
  await write("deploy/build.mjs", BUILD);
  for (const file of ["bootstrap.mjs", "fast-tests.mjs", "prepare.mjs", "saf.mjs"])
    await copyFile(join(deploy, file), join(root, "deploy", file));
  return {
    root,
    write,
    writePackages,
    run: (script, ...args) =>
      spawnSync(process.execPath, [join(root, "deploy", script), ...args], {
        cwd: root,
        encoding: "utf8",
        timeout: 120_000,
        env: environment(root),
      }),
  };
}

const temporaryOf = (root: string): string => join(root, "temporary");

/** No cache and no registry: what works here works offline. */
function environment(root: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env["PATH"],
    HOME: root,
    TMPDIR: temporaryOf(root),
    npm_config_cache: join(root, ".npm-cache"),
    npm_config_registry: "http://127.0.0.1:9/",
    npm_config_fetch_retries: "0",
    npm_config_update_notifier: "false",
  };
}

test("a fresh clone installs, builds and starts with nothing but the result on stdout; later starts do neither", async (t) => {
  const { run, write, writePackages } = await freshClone(t);
  const first = run("bootstrap.mjs", "start", "--json");
  assert.equal(first.status, 0, first.stderr);
  assert.equal(first.stdout, '{"command":"demo","args":["--json"]}\n');
  assert.match(
    first.stderr,
    /^Installing the packages \(npm ci\) …\n.*done after \d+ s\nBuilding …\nBuilding: done after \d+ s\nsetup speaks\n$/,
  );

  const second = run("bootstrap.mjs", "start", "fail");
  assert.equal(second.status, 7, "the program's exit code");
  assert.equal(second.stderr, "setup speaks\n");

  await write("shared/source.ts", "fine, and longer");
  assert.match(run("bootstrap.mjs", "build").stderr, /^Building …\nBuilding: done after \d+ s\n$/);
  assert.equal(run("bootstrap.mjs", "build").stderr, "");

  await writePackages("1.0.1");
  assert.match(run("bootstrap.mjs", "build").stderr, /^Installing the packages/);
});

test("whoever runs the program waits for no test; the tests wait for all", async (t) => {
  const { run, root, write } = await freshClone(t);
  assert.match(run("saf.mjs", "train").stderr, /^Installing the packages[^]*Building …/);
  assert.equal(existsSync(join(root, "dist/test")), false, "nothing is built that is not run");
  assert.match(run("bootstrap.mjs", "test", "a.test").stderr, /^Building …/);
  assert.equal(run("saf.mjs", "train").stderr, "", "whoever built all has built the program");

  await write("test/a.test.js", `import { test } from "node:test"; test("a runs again", () => {});`);
  assert.equal(run("saf.mjs", "train").stderr, "");
  assert.match(run("bootstrap.mjs", "test", "a.test").stdout, /a runs again/);

  await write("test/a.test.js", "broken");
  await write("shared/source.ts", "fine, and longer");
  const { status, stderr } = run("saf.mjs", "train");
  assert.equal(status, 0, stderr);
  assert.match(
    stderr,
    /^Building …[^]*The program is built; tests do not compile: npm run build says why\n$/,
  );
  assert.equal(run("saf.mjs", "train").stderr, "", "it is said once");
  const broken = run("bootstrap.mjs", "build");
  assert.match(broken.stderr, /a\.test\.js\(1,1\): error TS1: broken\n\nsaf: the build failed/);
  await write("test/a.test.js", `import { test } from "node:test"; test("a runs", () => {});`);
  assert.equal(run("bootstrap.mjs", "build").status, 0);
  assert.equal(run("bootstrap.mjs", "build").stderr, "");
});

test("packages that were installed by hand are not installed again", async (t) => {
  const { run, root } = await freshClone(t);
  const byHand = spawnSync("npm", ["ci"], {
    cwd: root,
    encoding: "utf8",
    timeout: 120_000,
    env: environment(root),
  });
  assert.equal(byHand.status, 0, byHand.stderr);
  assert.match(run("bootstrap.mjs", "build").stderr, /^Building …/);
});

test("an unreachable registry is said with what to do", async (t) => {
  const { run, write } = await freshClone(t);
  const dependencies = { zod: "4.0.0" };
  await write("package.json", JSON.stringify({ name: "sample", version: "1.0.0", dependencies }));
  const packages = {
    "": { name: "sample", version: "1.0.0", dependencies },
    "node_modules/zod": { version: "4.0.0" },
  };
  await write(
    "package-lock.json",
    JSON.stringify({ name: "sample", version: "1.0.0", lockfileVersion: 3, packages }),
  );

  const { status, stdout, stderr } = run("bootstrap.mjs", "start");
  assert.equal(status, 5, stderr);
  assert.equal(stdout, "");
  assert.match(
    stderr,
    /saf: cannot install the packages: the package registry cannot be reached \(ECONNREFUSED\)\n {5}Connect to the network/,
  );
});

test("a failed build shows the compiler's words, and the next command builds again", async (t) => {
  const { run, write } = await installedClone(t);
  await write("shared/source.ts", "broken");
  const failed = run("bootstrap.mjs", "build");
  assert.equal(failed.status, 1);
  assert.match(failed.stderr, /error TS1: broken\n\nsaf: the build failed/);
  await write("shared/source.ts", "mended");
  assert.equal(run("bootstrap.mjs", "build").status, 0);
});

test("test runs the test files without the benchmarks, or those that are named", async (t) => {
  const { run } = await installedClone(t);
  const all = run("bootstrap.mjs", "test");
  assert.equal(all.status, 1, all.stderr);
  assert.match(all.stdout, /a runs/);
  assert.match(all.stdout, /b fails/);
  assert.doesNotMatch(all.stdout, /benchmark/);

  const one = run("bootstrap.mjs", "test", "a.test.ts");
  assert.equal(one.status, 0, one.stdout);
  assert.doesNotMatch(one.stdout, /b fails/);
  assert.equal(run("bootstrap.mjs", "test", "no-such").status, 2);
});

test("test:fast runs those that start nothing, and sets nothing up", async (t) => {
  const { run, write } = await installedClone(t);
  await write(
    "test/b.test.js",
    `import { test } from "node:test"; import "./starts.js"; test("b", () => {});`,
  );
  await write("test/starts.js", `export { spawn } from "node:child_process";`);
  const fast = run("bootstrap.mjs", "test:fast");
  assert.equal(fast.status, 0, fast.stdout);
  assert.match(fast.stdout, /a runs/);
  assert.match(fast.stdout, /tests 1$/m);
  assert.doesNotMatch(fast.stderr, /setup speaks/);
  assert.equal(run("bootstrap.mjs", "test:fast", "b.test").status, 2);
});

/** Leaves a folder behind, and waits where it is told to. */
const LEAVING = `
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
mkdtempSync(join(tmpdir(), "left-"));
test("leaves", async () => {
  if (!process.env.WAITS) return;
  console.log("ready");
  await new Promise((resolve) => setTimeout(resolve, 60_000));
});
`;

test("what tests leave in the temporary folder is named, and goes with it", async (t) => {
  const { run, root, write } = await installedClone(t);
  await write("test/a.test.js", LEAVING);
  const { status, stderr } = run("bootstrap.mjs", "test", "a.test");
  assert.equal(status, 0, stderr);
  assert.match(stderr, /^saf: the tests left left-\w+ behind$/m);
  assert.deepEqual(await readdir(temporaryOf(root)), []);
});

test("it goes where a signal ends the tests, too", async (t) => {
  const { root, write } = await installedClone(t);
  await write("test/a.test.js", LEAVING);
  const child = spawn(process.execPath, [join(root, "deploy/bootstrap.mjs"), "test", "a.test"], {
    cwd: root,
    env: { ...environment(root), WAITS: "1" },
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 60_000,
  });
  child.stdout.setEncoding("utf8").on("data", (text: string) => text.includes("ready") && child.kill());
  await once(child, "close");
  assert.deepEqual(await readdir(temporaryOf(root)), []);
});

test("SIGTERM reaches the program, and its exit code comes back", async (t) => {
  const { root, run } = await installedClone(t);
  assert.equal(run("bootstrap.mjs", "build").status, 0);
  const child = spawn(process.execPath, [join(root, "deploy/bootstrap.mjs"), "start", "wait"], {
    cwd: root,
    env: environment(root),
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 60_000,
  });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const wasReady = stdout.includes("ready");
    stdout += text;
    if (!wasReady && stdout.includes("ready")) child.kill("SIGTERM");
  });
  const [code] = (await once(child, "close")) as [number | null];
  assert.match(stdout, /SIGTERM\n$/);
  assert.equal(code, 143);
});

test("saf builds and becomes the program", async (t) => {
  const { run } = await installedClone(t);
  const { status, stdout, stderr } = run("saf.mjs", "train", "fail");
  assert.equal(stdout, '{"command":"train","args":["fail"]}\n', stderr);
  assert.equal(status, 7);
});

test("commands that start together build once", async (t) => {
  const { root } = await freshClone(t);
  const outputs = await Promise.all(
    [1, 2, 3].map(async () => {
      const child = spawn(process.execPath, [join(root, "deploy/bootstrap.mjs"), "build"], {
        cwd: root,
        env: environment(root),
        timeout: 120_000,
      });
      let stderr = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
      const [code] = (await once(child, "close")) as [number | null];
      assert.equal(code, 0, stderr);
      return stderr;
    }),
  );
  assert.equal(
    outputs.filter((stderr) => stderr.includes("Building: done")).length,
    1,
    outputs.join("\n---\n"),
  );
});

test("an unknown command is refused with the known ones", async (t) => {
  const { run } = await freshClone(t);
  const { status, stderr } = run("bootstrap.mjs", "strat");
  assert.equal(status, 2);
  assert.match(stderr, /unknown command "strat"\n.*start\|test\|test:fast\|check/);
});
