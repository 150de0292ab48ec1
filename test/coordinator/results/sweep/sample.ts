/** Sweeps as they could have been: settings drawn from a seed, results from a formula with noise. */
import { type SweepSpec, sweepSchema } from "../../../../shared/config/sweep.js";
import { objectivesOf, parseConstraint } from "../../../../shared/config/objectives.js";
import { RandomStream } from "../../../../shared/random.js";
import type { DecisionLine, MetricValues, TrialRow, Values } from "../../../../shared/records/sweep-line.js";
import type { SweepResults } from "../../../../coordinator/results/sweep/data.js";

export const STRENGTHS = [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3];

interface Options {
  trials: number;
  seed?: number;
  /** Seeds of each setting. */
  seeds?: number;
  spec?: Record<string, unknown>;
  /** Rungs in samples; the last is the end. */
  rungs?: readonly number[];
  /** Of the trials, in [0, 1]. */
  failing?: number;
  hasStrengths?: boolean;
  state?: (number: number) => TrialRow["state"] | undefined;
}

const BASE = {
  name: "robust-mnist",
  title: "The most robust MNIST net",
  parameters: {
    "train.learning_rate": { range: [0.0001, 0.3], scale: "log" },
    "model.activation": { choice: ["relu", "mrelu", "rbf"] },
    "network.activation_width": { range: [0.5, 4], when: { "model.activation": ["mrelu", "rbf"] } },
    "network.adversarial.share": { range: [0, 1] },
    "train.slots": { choice: [4, 8, 16] },
    "augment.shift": { range: [0, 4], type: "int" },
  },
  search: { method: "random", seed: 7 },
  limits: { trials: 24 },
  objective: "area(adversarial)",
  constraints: ["clean >= 95 %"],
  stopping: { method: "asha", first_samples: 6_000, factor: 3 },
};

export function sampleSweep(options: Options): SweepResults {
  const { trials, seed = 1, seeds = 1, rungs = [6_000, 18_000, 54_000] } = options;
  const parameters = seeds > 1 ? { ...BASE.parameters, seed: { repeat: seeds } } : BASE.parameters;
  const spec: SweepSpec = sweepSchema.parse({ ...BASE, parameters, ...options.spec });
  const decisions: DecisionLine[] = [];
  const rows = Array.from({ length: trials }, (_, number) => {
    const setting = Math.floor(number / seeds);
    const values: Values = { ...drawnValues(seed, setting), ...(seeds > 1 ? { seed: number % seeds } : {}) };
    const draw = new RandomStream(seed, "theory", number, 1);
    const row = rowOf({ number, group: idOf(seed, setting, 3), values, draw, seed, options });
    if (row.state === "failed") return { ...row, metrics: {} };
    const reached = options.state?.(number) === "done" ? rungs.length : rungsReached(row, draw, rungs.length);
    return climbed(row, rungs.slice(0, reached), reached === rungs.length, decisions);
  });
  return {
    spec,
    settings: {},
    objectives: objectivesOf(spec),
    constraints: spec.constraints.map(parseConstraint),
    rows: rows.map((row) => withState(row, options.state?.(row.number))),
    decisions,
    directory: "runs/robust-mnist-20261130-1412",
    code: "3f9a1c02",
    began: 1_796_040_000,
    until: 1_796_047_200,
  };
}

interface RowParts {
  number: number;
  group: string;
  values: Values;
  draw: RandomStream;
  seed: number;
  options: Options;
}

function rowOf({ number, group, values, draw, seed, options }: RowParts): TrialRow {
  const hasFailed = draw.uniform() < (options.failing ?? 0.04);
  return {
    trial: idOf(seed, number, 2),
    number,
    group,
    values,
    state: hasFailed ? "failed" : "running",
    attempt: hasFailed ? 2 : 1,
    rungs: [],
    metrics: truth(values, draw, options.hasStrengths ?? true),
    samples: 0,
    seconds: 0,
    ...(hasFailed ? { reason: FAILURES[draw.below(FAILURES.length)] ?? "" } : {}),
  };
}

const FAILURES = [
  "the loss is not a finite number (step 214)",
  "the loss is not a finite number (step 214)",
  "its worker was lost twice",
];

function idOf(seed: number, number: number, kind: number): string {
  const stream = new RandomStream(seed, "theory", number, kind + 10);
  const part = (): string => stream.uint32().toString(16).padStart(8, "0");
  return part() + part();
}

function drawnValues(seed: number, setting: number): Values {
  const draw = new RandomStream(seed, "theory", setting, 0);
  const one = <T>(values: readonly T[]): T => values[draw.below(values.length)] as T;
  const activation = one(["relu", "mrelu", "rbf"]);
  return {
    "train.learning_rate": Number((1e-4 * 3000 ** draw.uniform()).toPrecision(5)),
    "model.activation": activation,
    ...(activation === "relu"
      ? {}
      : { "network.activation_width": Number((0.5 + 3.5 * draw.uniform()).toFixed(4)) }),
    "network.adversarial.share": Number(draw.uniform().toFixed(4)),
    "train.slots": one([4, 8, 16]),
    "augment.shift": draw.below(5),
  };
}

/** Learning rate matters most, then the activation and the share of adversarial images. */
function truth(values: Values, draw: RandomStream, hasStrengths: boolean): MetricValues {
  const distance = Math.log10(Number(values["train.learning_rate"]) / 0.02);
  const skill = Math.exp(-0.5 * distance * distance);
  const activation = values["model.activation"];
  const kind = activation === "rbf" ? 0.16 : activation === "mrelu" ? 0.12 : 0;
  const share = Number(values["network.adversarial.share"]);
  const clean = clamp(0.9 + 0.088 * skill - 0.02 * share + 0.002 * draw.normal());
  const slope = clamp(0.85 - kind - 0.45 * share * skill + 0.02 * draw.normal());
  const at = (strength: number): number => Number(clamp(clean - slope * 3.2 * strength).toFixed(4));
  const accuracies = STRENGTHS.map(
    (strength) => [`accuracy(adversarial, ${strength})`, at(strength)] as const,
  );
  const area = accuracies.reduce((sum, [, accuracy]) => sum + accuracy, 0) / accuracies.length;
  return {
    clean: Number(clean.toFixed(4)),
    loss: Number((2.4 * (1 - clean) + 0.02).toFixed(5)),
    "area(adversarial)": Number(area.toFixed(5)),
    "worst(0.1)": Number(clamp(at(0.1) - 0.03).toFixed(4)),
    ...(hasStrengths ? Object.fromEntries(accuracies) : {}),
  };
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}

/** The better, the farther. */
function rungsReached(row: TrialRow, draw: RandomStream, rungs: number): number {
  const area = row.metrics["area(adversarial)"] ?? 0;
  let reached = 1;
  while (reached < rungs && area + 0.08 * draw.normal() > 0.55 + 0.06 * reached) reached++;
  return reached;
}

function climbed(
  row: TrialRow,
  rungs: readonly number[],
  isDone: boolean,
  decisions: DecisionLine[],
): TrialRow {
  const climbedRungs = rungs.map((samples, rung) => {
    const share = (rung + 1) / 3;
    const isLast = isDone && rung === rungs.length - 1;
    const metrics = Object.fromEntries(
      Object.entries(row.metrics).map(([name, value]) => [
        name,
        isLast
          ? value
          : Number((name === "loss" ? value * (2 - share) : value * (0.7 + 0.3 * share)).toFixed(5)),
      ]),
    );
    const decided = rung < rungs.length - 1 ? "go on" : "stop";
    if (!isLast)
      decisions.push({
        kind: "decision",
        trial: row.trial,
        rung,
        decision: decided,
        reason:
          decided === "stop"
            ? `area(adversarial) ${metrics["area(adversarial)"]?.toFixed(4)} is not among the best third of ${row.number + 3} at rung ${rung}`
            : `among the best third of ${row.number + 3} at rung ${rung}`,
        time: 1_796_040_000 + row.number,
      });
    return {
      attempt: 1,
      rung,
      last: isLast,
      samples,
      metrics,
      weights: idOf(9, row.number, rung).repeat(4),
      seconds: samples / 2_000,
      images: 10_000,
      time: 1_796_040_000 + row.number,
    };
  });
  const last = climbedRungs.at(-1);
  return {
    ...row,
    state: isDone ? "done" : "stopped",
    rungs: climbedRungs,
    metrics: last?.metrics ?? {},
    samples: last?.samples ?? 0,
    seconds: climbedRungs.reduce((sum, { seconds }) => sum + seconds, 0),
    weights: last?.weights ?? "",
    ...(isDone ? {} : { reason: `not among the best third at rung ${rungs.length - 1}` }),
  };
}

function withState(row: TrialRow, state: TrialRow["state"] | undefined): TrialRow {
  if (state === undefined || state === row.state) return row;
  if (state !== "failed") return { ...row, state };
  return {
    ...row,
    state,
    rungs: [],
    metrics: {},
    samples: 0,
    reason: "the loss is not a finite number (step 3)",
  };
}
