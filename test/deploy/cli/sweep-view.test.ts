import assert from "node:assert/strict";
import { test } from "node:test";
import { type SweepStatus, statusLines, trialLines } from "../../../deploy/cli/sweep-view.js";
import { terminalOf } from "../../../deploy/cli/terminal.js";
import type { FailedLine } from "../../../shared/records/sweep-line.js";
import { trial } from "../../coordinator/results/sweep/trial.js";

const STATUS: SweepStatus = {
  ...{ name: "small", directory: "runs/small", is_cancelled: false, process: null, live_page: null },
  ...{ began: 0, planned: 9, counts: { interrupted: 3, waiting: 1, done: 2 } },
  ...{ rungs: [], samples: 432_000, synthetic_per_epoch: [12_000], objectives: [], best: [] },
  limit: null,
};

test("where no process works on a sweep none of its trials runs, and the images of flag M are named", () => {
  const words = statusLines(STATUS, { ...terminalOf(process.stdout), width: 120 }).join("\n");
  assert.match(words, /nothing works on it: saf sweep resume goes on/);
  assert.match(words, /6 of 9: 3 interrupted, 1 waiting, 2 done/);
  assert.match(words, /432,000 seen in training, with the synthetic ones of flag M \(12,000 an epoch\)/);
});

test("a trial's course is told in its order, with why an attempt failed, and its metrics have a label", () => {
  const done = trial(3, { clean: 0.97, loss: 0.5 });
  const [only] = done.rungs;
  assert.ok(only);
  const row = {
    ...done,
    attempt: 2,
    rungs: [
      { ...only, last: false },
      { ...only, rung: 1, samples: 18_000 },
    ],
  };
  const of = { trial: row.trial, time: 0 };
  const decided = {
    kind: "decision" as const,
    ...of,
    rung: 0,
    decision: "go on" as const,
    reason: "1st of 3",
  };
  const failed: FailedLine = {
    ...{ kind: "failed", ...of, attempt: 1, rung: 1, code: "worker", reason: "its worker was lost twice" },
    final: false,
  };
  const shown = { row, decisions: [decided], failures: [failed], objectives: [], command: undefined };
  const lines = trialLines({ ...shown, isAtWork: false }, { ...terminalOf(process.stdout), width: 120 });
  const text = lines.join("\n");
  const labels = [...text.matchAll(/^(?:\u001b\[\d+m)?(rung \d|failed|go on|metrics)/gm)].map(
    ([, label]) => label,
  );
  assert.deepEqual(labels, ["rung 0", "go on", "failed", "rung 1", "metrics"]);
  assert.match(text, /attempt 1, before rung 1: its worker was lost twice/);
});

test("a limit that is reached and a constraint that is missed are said", () => {
  const limit = "limits.samples (9,000 images) is reached: no more trials begin";
  const trial = {
    ...({ trial: "3fa91c0211223344", number: 0, state: "done", values: {}, samples: 640 } as const),
  };
  const best = [{ ...trial, metrics: { clean: 0.1 }, unmet: ["clean >= 12 %"] }];
  const words = statusLines({ ...STATUS, limit, best }, { ...terminalOf(process.stdout), width: 120 }).join(
    "\n",
  );
  assert.match(words, /limit +limits\.samples \(9,000 images\) is reached: no more trials begin/);
  assert.match(words, /trial 0 \(3fa91c02\).*× misses clean >= 12 %/);
});
