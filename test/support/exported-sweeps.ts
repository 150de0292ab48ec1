/** A sweep as its exports are given it: every state and every kind of parameter, small enough to check by hand. */
import {
  type ExportedSweep,
  exportedSweep as exported,
} from "../../coordinator/results/export/sweep/exported-sweep.js";
import { objectivesOf, parseConstraint } from "../../shared/config/objectives.js";
import { type SweepSpec, sweepSchema } from "../../shared/config/sweep.js";
import type { TrialRow, TrialState, Values } from "../../shared/records/sweep-line.js";

export const BEGAN = 1_795_515_300;

export const SPEC: SweepSpec = sweepSchema.parse({
  name: "robust",
  title: "Most robust net",
  parameters: {
    model: { choice: ["plain", "mrelu"] },
    "train.learning_rate": { range: [0.001, 0.1], scale: "log" },
    "train.batch_size": { range: [32, 128], type: "int", step: 32 },
    "train.momentum": { range: [0.1, 0.95], step: 0.1, when: { model: "mrelu" } },
    "evaluate.diagnostics": { choice: [true, false] },
    "network.channels": { grid: [[8, 16], [16, 32]] }, // prettier-ignore
    seed: { repeat: 2 },
  },
  objective: "area(adversarial)",
  constraints: ["clean >= 97 %"],
  stopping: { method: "asha", first_samples: 1000 },
});

type Rung = TrialRow["rungs"][number];

export function rungOf(rung: number, area: number, clean: number, more: Partial<Rung> = {}): Rung {
  return {
    ...{ attempt: 1, rung, last: false, samples: 1000 * 3 ** rung, seconds: 10, images: 200 },
    ...{ metrics: { clean, "area(adversarial)": area }, weights: String(rung).padStart(64, "a") },
    ...{ time: BEGAN + 100 * (rung + 1) },
    ...more,
  };
}

export function rowOf(
  number: number,
  state: TrialState,
  values: Values,
  rungs: readonly Rung[],
  more: Partial<TrialRow> = {},
): TrialRow {
  const last = rungs.at(-1);
  return {
    ...{ trial: number.toString(16).padStart(16, "0"), number, group: "g".repeat(16), values, state },
    ...{ attempt: 1, rungs, metrics: last?.metrics ?? {}, samples: last?.samples ?? 0 },
    seconds: rungs.reduce((sum, { seconds }) => sum + seconds, 0),
    ...(last === undefined ? {} : { weights: last.weights }),
    ...(last?.unreliable === undefined ? {} : { unreliable: last.unreliable }),
    ...more,
  };
}

const values = (model: string, rate: number, more: Values = {}): Values => ({
  ...{ model, "train.learning_rate": rate, "train.batch_size": 64 },
  ...(model === "mrelu" ? { "train.momentum": 0.3 } : {}),
  ...{ "evaluate.diagnostics": true, "network.channels": [8, 16], seed: 7 },
  ...more,
});

/** Done twice (one of them below its constraint), stopped, failed, waiting, running, and one that nobody has begun. */
export const ROWS: readonly TrialRow[] = [
  rowOf(0, "done", values("mrelu", 0.01), [rungOf(0, 0.5, 0.95), rungOf(1, 0.625, 0.98, { last: true })]),
  rowOf(1, "done", values("mrelu", 0.01, { seed: 8 }), [
    rungOf(0, 0.5, 0.9),
    rungOf(1, 0.75, 0.96, { last: true, unreliable: ["gradients vanish", "Square is stronger"] }),
  ]),
  rowOf(2, "stopped", values("plain", 0.002, { "network.channels": [16, 32] }), [rungOf(0, 0.125, 0.97)], {
    reason: "below the best third of rung 0",
    group: "h".repeat(16),
  }),
  rowOf(3, "failed", values("plain", 0.1, { "evaluate.diagnostics": false }), [], {
    ...{ attempt: 2, group: "i".repeat(16), reason: 'the loss is "NaN", at step 3' },
  }),
  rowOf(4, "waiting", values("plain", 0.003), [rungOf(0, 0.25, 0.97)], { group: "j".repeat(16) }),
  rowOf(5, "running", values("plain", 0.004), [], { group: "k".repeat(16) }),
];

export function exportedSweep(more: Partial<ExportedSweep> = {}): ExportedSweep {
  const spec = more.spec ?? SPEC;
  const objectives = objectivesOf(spec);
  const constraints = spec.constraints.map(parseConstraint);
  const settings = { train: { epochs: 2 } };
  const read = { spec, settings, objectives, constraints, rows: ROWS, code: "0.1.0-7", began: BEGAN };
  return { ...exported(read, "robust-20261124"), ...more };
}
