import assert from "node:assert/strict";
import { test } from "node:test";
import type { saf } from "../../../shared/messages.js";
import { networkNamed } from "../../../shared/networks/registry.js";
import type { TaskSpec } from "../../../shared/records/task.js";
import { MeasuredBehind } from "../../../coordinator/runs/measured-behind.js";

const network = networkNamed("mnist", "plain");
const labels = new Uint8Array(10_000);

function task(change: Partial<TaskSpec> = {}): TaskSpec {
  return {
    id: "",
    kind: "clean",
    measure: { how: "clean" },
    strengths: [0],
    firstImage: 0,
    imageCount: 4,
    sampleCount: 0,
    patienceMs: 1000,
    passes: 4,
    ...change,
  };
}

const result = (change: saf.v1.StrengthOutcome.$Properties = {}): saf.v1.TaskResult.$Properties => ({
  computeSeconds: 0.5,
  samples: [],
  outcomes: [
    {
      strength: 0,
      predictions: Uint8Array.of(1, 2, 3, 4),
      confidences: new Uint8Array(16),
      wrong: Uint8Array.of(0, 1, 0, 0),
      ...change,
    },
  ],
});

test("what was measured behind the last step is the record of the task that asks for the same", () => {
  const other = task({ firstImage: 4 });
  const behind = new MeasuredBehind([task(), other], network, labels);
  assert.equal(behind.tasks.length, 2);
  behind.found("worker-1", [result(), result({ wrong: Uint8Array.of(1, 1, 1, 1) })]);
  const named = [task({ id: "second", firstImage: 4 }), task({ id: "first" })];
  const records = behind.recordsOf(named);
  assert.deepEqual(
    records.map(({ record, seconds }) => [
      record.task.id,
      record.worker,
      [...(record.outcomes[0]?.wrong ?? [])],
      seconds,
    ]),
    [
      ["second", "worker-1", [1, 1, 1, 1], 0.5],
      ["first", "worker-1", [0, 1, 0, 0], 0.5],
    ],
  );
});

test("an evaluation that costs more than a moment is not made there: all workers are to share it", () => {
  const dear = [task(), task({ firstImage: 4, passes: 10_000 })];
  assert.deepEqual(new MeasuredBehind(dear, network, labels).tasks, []);
});

test("what does not fit a task, or did not come, is left to be leased", () => {
  const wanted = [task({ id: "a" }), task({ id: "b", firstImage: 4 }), task({ id: "c", firstImage: 8 })];
  const behind = new MeasuredBehind([task(), task({ firstImage: 4 })], network, labels);
  assert.deepEqual(behind.recordsOf(wanted), [], "nothing came yet");
  behind.found("worker-1", [result({ predictions: Uint8Array.of(1, 2, 3, 77) }), result()]);
  const ids = behind.recordsOf(wanted).map(({ record }) => record.task.id);
  assert.deepEqual(ids, ["b"], "one class that there is not, one that nobody asked for");
  behind.found("worker-1", []);
  assert.deepEqual(behind.recordsOf(wanted), []);
});
