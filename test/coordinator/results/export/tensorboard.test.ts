import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { tensorboardFormat } from "../../../../coordinator/results/export/tensorboard.js";
import { recordOf } from "../../../../coordinator/results/export/tensorboard-events.js";
import type { ExportedRun, FolderContent } from "../../../../coordinator/results/export/export-format.js";
import { tensorboard } from "../../../../shared/proto/generated/tensorboard.js";
import { eventsOf } from "../../../support/event-files.js";
import { CURVES, measuredRun } from "../../../support/exported-runs.js";

/** Bytes that the `tensorboard` package wrote: test/fixtures/export/make-events.py. */
const golden = JSON.parse(
  readFileSync(fileURLToPath(new URL("../../../fixtures/export/events.json", import.meta.url)), "utf8"),
) as { records: { event: tensorboard.Event.$Properties; hex: string }[] };

for (const [i, { event, hex }] of golden.records.entries()) {
  test(`record ${i} has the bytes that the tensorboard package writes`, () => {
    assert.equal(recordOf(tensorboard.Event.encode(event).finish()).toString("hex"), hex);
  });
}

function render(runs: ExportedRun[]): FolderContent {
  assert.ok(tensorboardFormat.of === "runs" && tensorboardFormat.makes === "folder");
  return tensorboardFormat.render(runs);
}

/** "tag step value", in the order of the file. */
function scalarsOf(events: readonly tensorboard.Event[]): string[] {
  return events.flatMap(({ step, summary }) =>
    (summary?.value ?? []).map(({ tag, simpleValue }) => `${tag} ${Number(step)} ${simpleValue?.toFixed(4)}`),
  );
}

test("a run's file holds loss, accuracy and rate at each step, clean accuracies and error against strength", () => {
  const files = render([measuredRun(CURVES)]);
  assert.deepEqual(Object.keys(files), ["events.out.tfevents.1795515300.saf"]);
  const [first, ...rest] = eventsOf(Object.values(files)[0] as Buffer);
  assert.deepEqual([first?.fileVersion, first?.wallTime], ["brain.Event:2", 1_795_515_300]);
  assert.deepEqual(scalarsOf(rest), [
    ...["train/loss 0 2.0000", "train/accuracy 0 0.0000", "train/learning_rate 0 0.0100"],
    ...["train/loss 1 1.5000", "train/accuracy 1 0.2500", "train/learning_rate 1 0.0100"],
    ...["train/loss 2 1.0000", "train/accuracy 2 0.5000", "train/learning_rate 2 0.0100"],
    ...["evaluate/clean_accuracy 2 0.7500", "evaluate/clean_accuracy 3 0.9800"],
    "error/adversarial 1000 0.1000",
    "error/adversarial/modern/pgd-40 3000 0.7500",
    "error/nonsense 1000 0.0000",
  ]);
  const times = rest.map(({ wallTime }) => wallTime);
  assert.deepEqual(
    times.slice(0, 5),
    [1.5, 3, 4.5, 3, 4.5].map((seconds) => 1_795_515_300 + seconds),
  );
});

test("several runs have a folder each, and a run that was not measured yet has its training", () => {
  const run = measuredRun(CURVES);
  const files = render([
    { ...run, run: "home/plain" },
    { ...run, run: "home/mrelu", result: null },
  ]);
  assert.deepEqual(Object.keys(files), [
    "plain/events.out.tfevents.1795515300.saf",
    "mrelu/events.out.tfevents.1795515300.saf",
  ]);
  const second = scalarsOf(eventsOf(Object.values(files)[1] as Buffer));
  assert.equal(second.filter((scalar) => scalar.startsWith("train/loss")).length, 3);
  assert.ok(!second.some((scalar) => scalar.startsWith("error/")));
});
