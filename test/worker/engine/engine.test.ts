import { test } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { fileURLToPath } from "node:url";
import type { RealEngine, SelfTestReport } from "../../../shared/engine.js";
import { findAddonPackage, hasAddon } from "../../../deploy/setup/addon.js";

// A process has one engine, so each test runs in a process of its own: this file, told what to do.
const CHILD = fileURLToPath(new URL("./engine-child.js", import.meta.url));
const TIMEOUT_MS = 60_000;

const addonFolder = findAddonPackage("@tensorflow/tfjs-node", process.env);
const hasTensorflow = addonFolder !== undefined && hasAddon(addonFolder);
const withTensorflow = { timeout: TIMEOUT_MS, skip: hasTensorflow ? false : "tfjs-node has no addon here" };
const withoutIt = { timeout: TIMEOUT_MS };

interface ChildReport {
  selfTest: SelfTestReport;
  leaked: number;
  listeners: number;
}

async function runChild(engine: RealEngine, task: string): Promise<ChildReport> {
  const child = spawn(process.execPath, [CHILD, engine, task], {
    env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: "3" },
    stdio: ["ignore", "pipe", "ignore"],
    timeout: TIMEOUT_MS,
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
  await once(child, "close");
  const line = text.split("\n").findLast((candidate) => candidate.startsWith("{"));
  assert.ok(line, `the child printed no report: ${text}`);
  return JSON.parse(line) as ChildReport;
}

const failures = (report: SelfTestReport): string[] =>
  report.checks.filter((check) => !check.passed).map((check) => check.name);

for (const [engine, options] of [
  ["wasm", withoutIt],
  ["tensorflow", withTensorflow],
] as const) {
  // prettier-ignore
  test(`the ${engine} engine passes the gradient self-test and leaves no tensor behind`, options, async () => {
    const { selfTest, leaked } = await runChild(engine, "self-test");

    assert.deepEqual(failures(selfTest), []);
    assert.equal(selfTest.passed, true);
    assert.equal(leaked, 0);
    assert.ok(selfTest.checks.length >= 58, `only ${selfTest.checks.length} checks ran`);
  });
}

test(
  "a wasm backend without our kernels is refused by the names of its wrong gradients",
  withoutIt,
  async () => {
    const { selfTest } = await runChild("wasm", "stock-kernels");

    assert.equal(selfTest.passed, false);
    const failed = failures(selfTest);
    assert.ok(failed.includes("max pool 2x2 of negative values: gradient"), failed.join("; "));
    assert.ok(failed.includes("clipped average pool 3x3: gradient"), failed.join("; "));
    assert.ok(
      failed.some((name) => name.startsWith("convolution 5x5:") && name.includes("Conv2DBackpropFilter")),
      failed.join("; "),
    );
  },
);

test("a gradient that is wrong in one cell is noticed, and only there", withoutIt, async () => {
  const { selfTest } = await runChild("wasm", "plant-error");

  assert.deepEqual(failures(selfTest), ["dense: weight gradient"]);
});

test("a gradient that is not a number is noticed", withoutIt, async () => {
  const { selfTest } = await runChild("wasm", "plant-nan");

  assert.deepEqual(failures(selfTest), ["dense: weight gradient"]);
});

test("the wasm engine leaves the process's exception handling as it was", withoutIt, async () => {
  const { listeners } = await runChild("wasm", "self-test");

  assert.equal(listeners, 0);
});

for (const [engine, options] of [
  ["wasm", withoutIt],
  ["tensorflow", withTensorflow],
] as const) {
  // prettier-ignore
  test(`the ${engine} engine works in a worker thread`, options, async (t) => {
    const worker = new Worker(CHILD, { argv: [engine, "self-test"], stdout: true, stderr: true });
    t.after(() => worker.terminate());

    const [report] = (await once(worker, "message")) as [ChildReport];

    assert.deepEqual(failures(report.selfTest), []);
  });
}

test("training steps on wasm keep the number of tensors constant", withoutIt, async () => {
  const { leaked } = await runChild("wasm", "train");

  assert.equal(leaked, 0);
});
