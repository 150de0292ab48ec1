import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { curvesOf } from "../../../coordinator/evaluation/curves.js";
import type { LedgerLine } from "../../../coordinator/runs/step-books.js";
import { checkFiles } from "../../../deploy/verify/file-checks.js";
import type { Finding } from "../../../deploy/verify/finding.js";
import type { LinesFile, RunFiles } from "../../../deploy/verify/run-files.js";
import { configSchema } from "../../../shared/config/run.js";
import { type StepPlan, stepImages } from "../../../shared/core/schedule.js";
import { type ResultLine, lineOf, recordOf } from "../../../shared/records/result-line.js";
import type { ModelResult, StepMetric } from "../../../shared/results.js";

/** Two epochs of 10 images, in steps of 4, 4 and 2. */
const plan: StepPlan = { images: 10, batchSize: 4, slots: 2, epochs: 2 };
const STEPS = 6;
const expected = { plan, isIdentity: (stored: string) => stored === "identity" };

const file = <Entry>(name: string, lines: Entry[]): LinesFile<Entry> => ({ name, lines, faults: [] });

function ledgerLine(step: number): LedgerLine {
  const { epoch, first, end } = stepImages(plan, step);
  const blocks = [0, 1].map((slot): LedgerLine["blocks"][number] => ({
    slots: [slot, slot + 1],
    worker: `worker-${slot + 1}`,
    attempt: 1,
    ms: 5,
  }));
  return { step, epoch, first, end, samples: end - first, blocks };
}

const metric = (step: number): StepMetric => ({
  step,
  epoch: stepImages(plan, step).epoch,
  loss: 2,
  accuracy: 0.5,
  learning_rate: 0.1,
  seconds: step,
});

function checkpoint(step: number): RunFiles["checkpoints"][number] {
  const weights = `weights ${step}`;
  const description = {
    step,
    model: "m",
    weights_sha256: weights,
    files_sha256: {},
    identity: "identity",
    clean_accuracy: null,
  };
  return { name: `step-0000000${step}`, description, weightsSha256: weights, velocitySha256: "v" };
}

function taskLine(id: string, firstImage: number, wrong: number[]): ResultLine {
  const outcome = {
    strength: 0,
    predictions: Uint8Array.from(wrong),
    confidences: Float32Array.from(wrong),
    wrong: Uint8Array.from(wrong),
    distances: new Float32Array(),
    origins: new Uint8Array(),
  };
  const task = {
    ...{ id, kind: "clean" as const, strengths: [0], firstImage, imageCount: wrong.length },
    ...{ measure: { name: "clean", how: "clean" as const }, sampleCount: 0, patienceMs: 1, passes: 1 },
  };
  return lineOf(
    {
      task: task,
      worker: "w",
      outcomes: [outcome],
      samples: [],
    },
    "weights 6",
  );
}

function wholeRun(): RunFiles {
  const lines = [taskLine("a", 0, [0, 1]), taskLine("b", 2, [1, 1])];
  const curves = curvesOf(lines.map(recordOf));
  return {
    path: "/run",
    config: configSchema.parse({}),
    status: { state: "done", step: STEPS },
    environment: {},
    origin: undefined,
    ledger: file("ledger.jsonl", [0, 1, 2, 3, 4, 5].map(ledgerLine)),
    metrics: file("metrics.jsonl", [0, 1, 2, 3, 4, 5].map(metric)),
    weights: file("weights.jsonl", [
      { step: 2, weights_sha256: "weights 2" },
      { step: 4, weights_sha256: "weights 4" },
      { step: 6, weights_sha256: "weights 6" },
    ]),
    results: file("eval/results.jsonl", lines),
    checkpoints: [checkpoint(4), checkpoint(6)],
    result: { name: "m", clean_accuracy: 0.25, n: 4, samples_per_second: 1, curves } satisfies ModelResult,
    finalSha256: "weights 6",
  };
}

const broken = (files: RunFiles): Finding[] =>
  checkFiles(files, expected).filter(({ verdict }) => verdict === "broken");

test("a whole run holds, and says of what", () => {
  const found = checkFiles(wholeRun(), expected);
  assert.deepEqual([...new Set(found.map(({ verdict }) => verdict))], ["holds"]);
  assert.deepEqual(
    found.map(({ subject }) => subject),
    ["settings", "ledger", "ledger", "metrics", "checkpoints", "result", "evaluation", "evaluation"],
  );
  assert.match(found[1]?.words ?? "", /^every image exactly once: 2 epochs of 10 images, in 6 steps$/);
  assert.equal(found[2]?.words, "12 blocks by 2 workers, none leased again");
});

test("a line that repeats another is told, and its outcomes count once", () => {
  const run = wholeRun();
  const lines = [...run.results.lines, taskLine("a", 0, [0, 1])];
  const found = checkFiles({ ...run, results: file("eval/results.jsonl", lines) }, expected);
  assert.deepEqual(
    found.filter(({ subject }) => subject === "evaluation").map(({ words }) => words),
    [
      "2 tasks, each once and whole: 4 outcomes; 1 repeated line not counted",
      "1 point of result.json as counted from the outcomes",
    ],
  );
});

test("a damaged result line is a fault until what it held is measured again", () => {
  const run = wholeRun();
  const [first, second] = run.results.lines;
  assert.ok(first !== undefined && second !== undefined);
  const of = (lines: readonly ResultLine[]): Finding[] =>
    checkFiles(
      { ...run, results: { ...file("eval/results.jsonl", [...lines]), faults: ["line 1 is damaged"] } },
      expected,
    ).filter(({ subject }) => subject === "evaluation");
  assert.deepEqual(
    of([second]).map(({ verdict }) => verdict),
    ["broken"],
  );
  const again = of([second, first]);
  assert.ok(again.every(({ verdict }) => verdict === "holds"));
  assert.match(again.at(-1)?.words ?? "", /line 1 is damaged, and is made up for/);
});

test("a run whose gradients were made up says so", () => {
  const run = wholeRun();
  const found = checkFiles({ ...run, config: { ...run.config, engine: "emulated" } }, expected);
  assert.match(found[1]?.words ?? "", /^engine: emulated: the gradients were made up/);
});

test("a run that was interrupted holds as far as it went", () => {
  const run = wholeRun();
  const files: RunFiles = {
    ...run,
    status: { state: "interrupted" },
    checkpoints: [checkpoint(4)],
    weights: file("weights.jsonl", run.weights.lines.slice(0, 2)),
    results: file("eval/results.jsonl", []),
    result: undefined,
    finalSha256: undefined,
  };
  const found = checkFiles(files, expected);
  assert.deepEqual(broken(files), []);
  const words = found.map((one) => `${one.verdict}: ${one.words}`).join("\n");
  assert.match(
    words,
    /holds: every image exactly once: 1 epoch of 10 images, then 4 images of epoch 1, in 4 steps/,
  );
  assert.match(words, /unproven: 2 steps after the newest checkpoint: --resume does them again/);
  assert.match(words, /unproven: the run is not finished: step 4 of 6/);
});

describe("what does not hold is named", () => {
  const cases: [string, (run: RunFiles) => RunFiles, RegExp][] = [
    [
      "a step that is missing in the ledger",
      (run) => ({
        ...run,
        ledger: file(
          "ledger.jsonl",
          run.ledger.lines.filter(({ step }) => step !== 3),
        ),
      }),
      /ledger\.jsonl does not prove its steps: its record 4 is of step 4, expected step 3/,
    ],
    [
      "a step that counted twice",
      (run) => ({ ...run, ledger: file("ledger.jsonl", [...run.ledger.lines, ledgerLine(5)]) }),
      /its record 7 is of step 5, expected step 6/,
    ],
    [
      "images that were not counted",
      (run) => ({
        ...run,
        ledger: file(
          "ledger.jsonl",
          run.ledger.lines.map((line) => ({ ...line, samples: line.step === 2 ? 1 : line.samples })),
        ),
      }),
      /its record 3 counts 1 images, expected 2/,
    ],
    [
      "a line that says nothing of its blocks",
      (run) => ({
        ...run,
        ledger: file(
          "ledger.jsonl",
          run.ledger.lines.map((line) => (line.step === 2 ? { ...line, blocks: [null] as never } : line)),
        ),
      }),
      /its record 3 does not say which slots it holds/,
    ],
    [
      "a damaged line",
      (run) => ({ ...run, ledger: { ...run.ledger, faults: ["line 3 is damaged"] } }),
      /ledger\.jsonl: line 3 is damaged/,
    ],
    [
      "metrics with a gap",
      (run) => ({ ...run, metrics: file("metrics.jsonl", run.metrics.lines.slice(1)) }),
      /metrics\.jsonl: expected step 0 of epoch 0 as line 1, found step 1/,
    ],
    [
      "a checkpoint of other settings",
      (run) => ({
        ...run,
        checkpoints: run.checkpoints.map((one) =>
          "fault" in one ? one : { ...one, description: { ...one.description, identity: "another" } },
        ),
      }),
      /are not those of checkpoint step-00000004/,
    ],
    [
      "a checkpoint that cannot be read",
      (run) => ({ ...run, checkpoints: [checkpoint(6), { name: "step-00000004", fault: "it is corrupt" }] }),
      /it is corrupt/,
    ],
    [
      "weights that the journal names otherwise",
      (run) => ({ ...run, weights: file("weights.jsonl", [{ step: 4, weights_sha256: "others" }]) }),
      /step-00000004: its weights hash to weights 4, weights\.jsonl says others/,
    ],
    [
      "one step under two hashes",
      (run) => ({
        ...run,
        weights: file("weights.jsonl", [...run.weights.lines, { step: 2, weights_sha256: "others" }]),
      }),
      /weights\.jsonl names two different weights of step 2/,
    ],
    [
      "results of other weights",
      (run) => ({ ...run, finalSha256: "others" }),
      /results\.json names the weights others, step-00000006 holds weights 6/,
    ],
    [
      "a run that is done without its last step",
      (run) => ({ ...run, checkpoints: [checkpoint(4)] }),
      /status\.json says that the run is done, and the newest whole checkpoint is of step 4 of 6/,
    ],
    [
      "a task that was measured twice, with two results",
      (run) => ({
        ...run,
        results: file("eval/results.jsonl", [...run.results.lines, taskLine("a", 0, [1, 1])]),
      }),
      /line 3 measures the task of line 1 again, with another result/,
    ],
    [
      "outcomes of fewer images than the task has",
      (run) => {
        const line = taskLine("a", 0, [0, 1]);
        return {
          ...run,
          results: file("eval/results.jsonl", [{ ...line, task: { ...line.task, image_count: 3 } }]),
        };
      },
      /line 1 holds outcomes of 2 images at strength 0, expected 3/,
    ],
    [
      "a curve that its outcomes do not come to",
      (run) => ({
        ...run,
        result: run.result && {
          ...run.result,
          curves: run.result.curves.map((point) => ({ ...point, error: 0.5 })),
        },
      }),
      /result\.json says an error of 0\.5 for paper\/clean\/clean\/linf at 0, the journal 0\.75/,
    ],
    [
      "a result whose outcomes are gone",
      (run) => ({ ...run, results: file("eval/results.jsonl", []) }),
      /result\.json has curves, and eval\/results\.jsonl holds no outcome/,
    ],
  ];
  for (const [what, change, words] of cases) {
    test(what, () => {
      const found = broken(change(wholeRun()));
      assert.ok(found.length > 0, "it passed");
      assert.ok(
        found.some((one) => words.test(one.words)),
        found.map((one) => one.words).join("\n"),
      );
    });
  }
});
