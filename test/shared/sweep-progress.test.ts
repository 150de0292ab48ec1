import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readMessage, wire, writeMessage } from "../../shared/messages.js";
import type { TrialRow } from "../../shared/records/sweep-line.js";
import {
  MOST_BEST_TRIALS,
  MOST_TRIAL_BYTES,
  type SweepProgress,
  type SweepTrial,
  shownTrial,
  sweepMessage,
  sweepOf,
} from "../../shared/sweep-progress.js";

const trial = (over: Partial<SweepTrial> = {}): SweepTrial => ({
  id: "0123456789abcdef",
  number: 7,
  state: "waiting",
  rung: 1,
  values: { "train.learning_rate": 0.05, "network.family": "rbf", "data.augment": { shift: 2 } },
  metrics: { "area(adversarial)": 0.62, clean: 0.98 },
  weights: "ab".repeat(32),
  note: "",
  ...over,
});

const progress = (over: Partial<SweepProgress> = {}): SweepProgress => ({
  name: "widths",
  title: "How wide?",
  state: "running",
  counts: { running: 2, waiting: 3, done: 5, stopped: 7, failed: 1 },
  rungs: [
    { rung: 0, samples: 10_000, count: 10 },
    { rung: 1, samples: 30_000, count: 8 },
  ],
  planned: 24,
  samplesSeen: 340_000,
  samplesPerSecond: 1250.5,
  objectives: [
    { metric: "area(adversarial)", goal: "maximize" },
    { metric: "loss", goal: "minimize" },
  ],
  best: [trial()],
  seconds: 272,
  etaSeconds: 90,
  decisions: [
    {
      trial: 7,
      id: "0123456789abcdef",
      rung: 1,
      decision: "go on",
      reason: "among the best third of 9",
      time: 1_700_000_000,
    },
  ],
  ...over,
});

const overTheWire = (told: SweepProgress): SweepProgress | undefined => {
  const bytes = writeMessage(wire.SweepProgress, sweepMessage(told));
  const message = readMessage(wire.SweepProgress, bytes);
  return message === undefined ? undefined : sweepOf(message);
};

test("a sweep's progress comes out of its message as it went in", () => {
  assert.deepEqual(overTheWire(progress()), progress());
  const unknown = progress({ planned: undefined, etaSeconds: undefined, best: [], decisions: [] });
  assert.deepEqual(overTheWire(unknown), unknown);
});

test("a message stays small with ten thousand trials of a hundred metrics and settings each", () => {
  const many = (names: string, value: number | string): Record<string, typeof value> =>
    Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`${names}.setting_${i}`, value]));
  const metrics = Object.fromEntries(
    Array.from({ length: 100 }, (_, i) => [`accuracy(adversarial, ${i / 100})`, i / 101]),
  );
  const best = Array.from({ length: 10_000 }, (_, number) =>
    trial({ number, values: many("train", "ü".repeat(1000)), metrics, note: "ü".repeat(5000) }),
  );
  const decisions = Array.from({ length: 10_000 }, (_, number) => ({
    ...{
      trial: number,
      id: "0123456789abcdef",
      rung: 0,
      time: 0,
      decision: "stop" as const,
      reason: "ü".repeat(5000),
    },
  }));
  const bytes = writeMessage(wire.SweepProgress, sweepMessage(progress({ best, decisions })));
  assert.ok(bytes.length < MOST_TRIAL_BYTES + 16 * 1024, `${bytes.length} bytes`);

  const usual = Array.from({ length: 10_000 }, (_, number) => trial({ number, metrics }));
  const shown = sweepMessage(progress({ best: usual }));
  assert.equal(shown.best?.length, MOST_BEST_TRIALS);
  assert.ok(writeMessage(wire.SweepProgress, shown).length < 80 * 1024);
});

test("of a trial's metrics the objectives are shown first, then those that sum up", () => {
  const strengths = Object.fromEntries(
    Array.from({ length: 30 }, (_, i) => [`accuracy(noisy, ${i / 100})`, 0.5]),
  );
  const metrics = {
    ...strengths,
    ...{ "error(pgd-40, 0.3)": 0.25, "area(noisy)": 0.75, clean: 0.97, loss: NaN },
  };
  const objectives = [{ metric: "error(pgd-40, 0.3)", goal: "minimize" as const }];
  const shown = overTheWire(progress({ objectives, best: [trial({ metrics })] }))?.best[0]?.metrics ?? {};
  assert.deepEqual(Object.keys(shown).slice(0, 4), [
    ...["error(pgd-40, 0.3)", "clean", "area(noisy)", "accuracy(noisy, 0)"],
  ]);
  assert.equal(Object.keys(shown).length, 12);
});

test("an error is not shown beside the accuracy that it follows from, unless it is what is wanted", () => {
  const metrics = { "accuracy(pgd, 0.1)": 0.75, "error(pgd, 0.1)": 0.25, "error(noisy, 0.2)": 0.5 };
  const namesWith = (metric: string): string[] => {
    const objectives = [{ metric, goal: "minimize" as const }];
    return Object.keys(
      overTheWire(progress({ objectives, best: [trial({ metrics })] }))?.best[0]?.metrics ?? {},
    );
  };
  assert.deepEqual(namesWith("loss"), ["accuracy(pgd, 0.1)", "error(noisy, 0.2)"]);
  assert.deepEqual(namesWith("error(pgd, 0.1)"), [
    ...["error(pgd, 0.1)", "accuracy(pgd, 0.1)", "error(noisy, 0.2)"],
  ]);
});

test("long values are cut, and numbers have the digits that a table shows", () => {
  const values = {
    "network.channels": Array.from({ length: 60 }, (_, i) => i),
    "train.learning_rate": 0.1 + 0.2,
  };
  const shown = overTheWire(progress({ best: [trial({ values })] }))?.best[0]?.values ?? {};
  assert.match(JSON.stringify(shown["network.channels"]), /^"\[0,1,2,.{60,} …"$/);
  assert.equal(shown["train.learning_rate"], 0.3);
});

test("whatever somebody puts on the bus in a sweep's name can be read", () => {
  fc.assert(
    fc.property(
      fc.record({
        state: fc.string(),
        planned: fc.nat(),
        etaSeconds: fc.double(),
        best: fc.array(
          fc.record({
            state: fc.string(),
            valuesJson: fc.oneof(fc.string(), fc.json()),
            metricsJson: fc.oneof(fc.string(), fc.json()),
          }),
        ),
        decisions: fc.array(fc.record({ decision: fc.string(), time: fc.double() })),
      }),
      (message) => {
        const read = sweepOf(message);
        assert.equal(read.best.length, message.best.length);
        for (const { values, metrics } of read.best) {
          assert.ok(!Array.isArray(values));
          for (const metric of Object.values(metrics)) assert.equal(typeof metric, "number");
        }
      },
    ),
  );
});

test("a trial is shown with its newest rung, and with why it must not be believed", () => {
  const rung = (number: number): TrialRow["rungs"][number] => ({
    ...{ attempt: 1, rung: number, last: false, samples: 1, metrics: {}, weights: "", seconds: 1 },
    ...{ images: 100, time: 0 },
  });
  const row: TrialRow = {
    ...{ trial: "0123456789abcdef", number: 7, group: "g", values: {}, state: "waiting", attempt: 1 },
    ...{ rungs: [rung(0), rung(1)], metrics: { clean: 0.5 }, samples: 2, seconds: 2 },
    unreliable: ["gradients vanish", "a random search is better"],
  };
  assert.deepEqual(shownTrial(row), {
    ...{ id: "0123456789abcdef", number: 7, state: "waiting", rung: 1, values: {}, metrics: { clean: 0.5 } },
    ...{ weights: "", note: "gradients vanish; a random search is better" },
  });
  assert.equal(shownTrial(row, "").note, "");
});
