import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { CheckReport } from "../../../deploy/bench/gpu-check/report.js";

const PROGRAM = fileURLToPath(new URL("../../../deploy/bench/gpu-check.js", import.meta.url));

interface Run {
  code: number;
  stdout: string;
  stderr: string;
}

function gpuCheck(args: readonly string[], env: Record<string, string> = {}): Promise<Run> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env }, timeout: 110_000 };
    execFile(process.execPath, [PROGRAM, ...args], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ code, stdout, stderr });
    });
  });
}

test(
  "the check of an engine is one document: self-test, two equal hashes, speeds",
  { timeout: 120_000 },
  async () => {
    const args = [
      "--engine",
      "wasm",
      "--budget",
      "60",
      "--seconds",
      "0.3",
      "--sets",
      "mnist",
      "--batches",
      "8",
    ];
    const run = await gpuCheck(args);
    assert.equal(run.code, 0, run.stderr);
    const report = JSON.parse(run.stdout) as CheckReport;
    assert.deepEqual([report.format, report.ok, report.engine?.name], [1, true, "wasm"]);
    assert.deepEqual([report.failed, report.left_out], [[], []]);

    assert.equal(report.self_test.length, 1);
    assert.ok(
      report.self_test.every(({ passed, checks, failed }) => passed && checks > 50 && failed.length === 0),
    );
    const [hash, ...more] = report.hashes;
    assert.ok(hash !== undefined && more.length === 0);
    const [first, second] = hash.runs;
    assert.ok(hash.equal && first !== undefined && first.steps >= 5);
    assert.match(first.sha256, /^[0-9a-f]{64}$/);
    assert.deepEqual(second, first);
    const [training] = report.training;
    assert.deepEqual([training?.set, training?.batch, training?.mode], ["mnist", 8, "eager"]);
    assert.ok(training && training.images_per_second > 0 && training.engine_images_per_second > 0);
    const [evaluation] = report.evaluation;
    assert.ok(evaluation && evaluation.clean_images_per_second > evaluation.attack_images_per_second);
    assert.match(run.stderr, /^gpu-check: self-test eager: measured/);
  },
);

test(
  "an engine that is not to be had is named in the document, with exit code 5",
  { timeout: 120_000 },
  async () => {
    const run = await gpuCheck(["--budget", "60", "--sets", "mnist"], {
      SAF_TFJS_NODE_PACKAGE: "/nowhere",
      CUDA_VISIBLE_DEVICES: "",
    });
    assert.equal(run.code, 5, run.stderr);
    const report = JSON.parse(run.stdout) as CheckReport & { gpu: { severity: string } };
    assert.equal(report.ok, false);
    assert.equal(report.gpu.severity, "none");
    assert.deepEqual(
      report.failed.map(({ name }) => name),
      ["self-test compiled", "self-test eager"],
    );
    assert.match(report.failed[0]?.reason ?? "", /nowhere/);
    assert.ok(report.left_out.every(({ reason }) => reason === "no self-test could be made"));
  },
);

test("options that make no sense are refused with exit code 2", async () => {
  for (const args of [
    ["--budget", "500"],
    ["--batches", "8", "--slots", "9"],
    ["--sets", "imagenet"],
    ["--model", "nothing"],
  ]) {
    const { code, stdout } = await gpuCheck(args);
    assert.deepEqual([code, stdout], [2, ""], args.join(" "));
  }
});
