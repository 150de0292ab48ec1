import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, readdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { MADE_UP_FLAGS, checkpointOf, ledgerOf, temporaryDirectory } from "../../support/cluster.js";
import { PROGRAM, type SafRun, saf } from "../../support/saf.js";

const LIMIT = { timeout: 120_000 };

/** Runs a line of shell in which "$@" after `saf` is the program. */
async function shell(script: string, cwd: string, env: NodeJS.ProcessEnv = {}): Promise<SafRun> {
  const child = spawn("sh", ["-c", `saf() { "$NODE" "$PROGRAM" "$@"; }; ${script}`], {
    cwd,
    env: { ...process.env, NODE: process.execPath, PROGRAM, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 100_000,
    killSignal: "SIGKILL",
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

describe("bad surroundings are named at the start, with an exit code, and nothing is left behind", () => {
  const cases: { what: string; script: string; code: number; says: RegExp }[] = [
    {
      what: "too few open files",
      script: "ulimit -n 64; saf train --runs runs",
      code: 5,
      says: /^saf: This process may open 64 files, and saf needs 256\n.*ulimit -n 256$/m,
    },
    {
      what: "a TMPDIR that is not there",
      script: "TMPDIR=$PWD/nowhere saf train --runs runs",
      code: 1,
      says: /^saf: Cannot make a temporary folder in .*nowhere: it is no folder\n.*set TMPDIR/m,
    },
    {
      what: "a TMPDIR that is a file",
      script: "TMPDIR=$PWD/file saf reproduce mnist",
      code: 1,
      says: /^saf: Cannot make a temporary folder in .*file: it is no folder\n.*set TMPDIR/m,
    },
    {
      what: "a file in the place of the runs",
      script: "saf train --runs file",
      code: 1,
      says: /^saf: Cannot use .*\/file as a folder: it is a file\n.*move it away/m,
    },
    {
      what: "a file in the place of a folder of the run",
      script: "saf train --resume run",
      code: 1,
      says: /^saf: Cannot use .*\/run\/checkpoints as a folder: it is a file\n.*move it away/m,
    },
    {
      what: "a working folder that is gone",
      script: "mkdir gone; cd gone; rmdir ../gone; saf train",
      code: 2,
      says: /^saf: The folder in which saf was started is gone$/m,
    },
    {
      what: "no nats-server for a reproduction",
      script: "saf reproduce mnist --models plain --nats-server /nowhere/nats-server",
      code: 5,
      says: /^saf: Cannot use the nats-server named by the option/m,
    },
  ];
  for (const { what, script, code, says } of cases) {
    test(what, LIMIT, async (t) => {
      const folder = realpathSync(await temporaryDirectory(t));
      writeFileSync(join(folder, "file"), "");
      mkdirSync(join(folder, "run"));
      writeFileSync(join(folder, "run", "config.yaml"), "model: plain\n");
      writeFileSync(join(folder, "run", "checkpoints"), "");
      const run = await shell(script, folder);
      assert.match(run.stderr, says);
      assert.doesNotMatch(run.stderr, /\n\s+at |not expected/);
      assert.deepEqual([run.code, run.stdout], [code, ""]);
      assert.deepEqual(readdirSync(folder).sort(), ["file", "run"]);
      assert.deepEqual(readdirSync(join(folder, "run")).sort(), ["checkpoints", "config.yaml"]);
    });
  }
});

const full = existsSync("/dev/full") ? false : "no file here that is always full";

test(
  "a result that cannot be written is an error, words that cannot are not",
  { ...LIMIT, skip: full },
  async (t) => {
    const folder = await temporaryDirectory(t);
    const lost = await shell("saf config show >/dev/full", folder);
    assert.equal(lost.code, 1);
    assert.match(lost.stderr, /^saf: Cannot write the result to standard output: ENOSPC/m);
    const silent = await shell("saf config show 2>/dev/full", folder);
    assert.deepEqual([silent.code, silent.stdout.length > 100], [0, true]);
  },
);

/** What is computed does not matter. */
const SETTINGS = [
  ...[
    "train.max_steps=20",
    "train.batch_size=32",
    "train.limit_images=512",
    "train.checkpoint_every_steps=5",
  ],
  ...["train.evaluate_every_epochs=0", "evaluate.kinds=[clean]"],
]
  .flatMap((setting) => ["--set", setting])
  .concat(MADE_UP_FLAGS);

test(
  "a training outlives the reader of its words, and of all but the first byte of its result",
  LIMIT,
  async (t) => {
    const folder = await temporaryDirectory(t);
    const words = SETTINGS.map((word) => `'${word}'`).join(" ");
    const run = await shell(
      `{ { saf train -w 1 --json ${words}; echo $? >code; } 2>&3 | head -c 1 >byte; } 3>&1 | head -n 1`,
      folder,
    );
    assert.match(run.stdout, /^engine .*\n$/);
    assert.equal(readFileSync(join(folder, "byte"), "utf8"), "{");
    assert.equal(readFileSync(join(folder, "code"), "utf8"), "0\n");
    const directory = join(folder, "runs", "latest");
    assert.equal(checkpointOf(directory).step, 20);
    assert.equal(ledgerOf(directory).length, 20);
    const { state } = JSON.parse(readFileSync(join(directory, "status.json"), "utf8")) as { state: string };
    assert.equal(state, "done");
  },
);

test(
  "SIGHUP ends a training as SIGTERM does: after its step and a checkpoint, with a way to go on",
  LIMIT,
  async (t) => {
    const folder = await temporaryDirectory(t);
    let isSent = false;
    const run = await saf(["train", "-w", "1", ...SETTINGS, "--set", "train.max_steps=100000"], {
      cwd: folder,
      onWords: (words, child: ChildProcess) => {
        if (isSent || !words.includes("training ")) return;
        isSent = true;
        child.kill("SIGHUP");
      },
    });
    assert.equal(run.code, 129, run.stderr);
    assert.match(run.stderr, /SIGHUP: finishing the step and writing a checkpoint/);
    assert.match(run.stderr, /resume +npx saf train --resume/);
    assert.doesNotMatch(run.stderr, /starting it again/);
    const directory = join(folder, "runs", "latest");
    assert.equal(ledgerOf(directory).length, checkpointOf(directory).step);
  },
);

/** Ends by itself only after a minute: there is no server at its address. */
const WAITING = ["worker", "--id", "w0", "--nats-url", "nats://127.0.0.1:1"];

test("a worker heeds SIGHUP, unless whoever started it ignores it", LIMIT, async () => {
  for (const [trap, signals, ends] of [
    ["", ["SIGHUP"], 129],
    ["trap '' HUP; ", ["SIGHUP", "SIGTERM"], 143],
  ] as const) {
    // The shell prints the worker's number and stays its parent.
    const child = spawn(
      "sh",
      ["-c", `${trap}"$@" & echo $!; wait $!`, "sh", process.execPath, PROGRAM, ...WAITING],
      {
        stdio: ["ignore", "pipe", "pipe"],
        timeout: 60_000,
      },
    );
    let pid = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (pid += text));
    let words = "";
    const starts = new Promise<void>((resolve) => {
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        words += text;
        if (words.includes("Worker w0 starts")) resolve();
      });
    });
    await Promise.race([starts, once(child, "close")]);
    for (const signal of signals) process.kill(Number(pid), signal);
    const [code] = (await once(child, "close")) as [number | null];
    assert.equal(code, ends, words);
  }
});
