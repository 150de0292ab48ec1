import assert from "node:assert/strict";
import { test } from "node:test";
import { type SweepStatus, statusLines } from "../../../deploy/cli/sweep-view.js";
import { terminalOf } from "../../../deploy/cli/terminal.js";

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
  assert.match(words, /3fa91c02.*× misses clean >= 12 %/);
});
