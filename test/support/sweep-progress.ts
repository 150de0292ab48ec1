/** A sweep's progress as a coordinator would tell it, drawn from a seed: trials at three rungs, the best ones by name. */
import type { Values } from "../../shared/records/sweep-line.js";
import type { SweepDecision, SweepProgress, SweepTrial } from "../../shared/sweep-progress.js";

const FAMILIES = ["plain", "mrelu", "mrelu-r-m", "rbf", "rbf-r-m"];
const FIRST_SAMPLES = 10_000;
const FACTOR = 3;
const TRIALS = 10_000;

/** In [0, 1), the same for the same numbers. */
function draw(...numbers: number[]): number {
  let hash = 2_166_136_261;
  for (const number of numbers) hash = Math.imul(hash ^ (number + 1), 16_777_619);
  hash ^= hash >>> 13;
  return (Math.imul(hash, 1_540_483_477) >>> 0) / 2 ** 32;
}

/** So many hexadecimal digits, a multiple of eight. */
const hex = (number: number, length: number): string =>
  Array.from({ length: length / 8 }, (_, i) =>
    Math.floor(2 ** 32 * draw(number, i))
      .toString(16)
      .padStart(8, "0"),
  ).join("");

function valuesOf(number: number): Values {
  return {
    model: FAMILIES[number % FAMILIES.length] ?? "plain",
    "train.learning_rate": 10 ** (-3 + 2 * draw(number, 1)),
    "train.batch_size": 50 * 2 ** (number % 3),
    "network.channels": [32, 64, 64 + 8 * (number % 4)],
    seed: number % 3,
  };
}

export function trialOf(number: number, rung: number, goal: "area" | "both" = "area"): SweepTrial {
  const area = 0.4 + 0.3 * draw(number, 2) + 0.02 * rung;
  const clean = 0.95 + 0.04 * draw(number, 3);
  return {
    id: hex(number, 16),
    number,
    state: rung === 2 ? "done" : number % 4 === 0 ? "stopped" : "waiting",
    rung,
    values: valuesOf(number),
    metrics: {
      "area(adversarial)": area,
      clean,
      loss: 0.1 + draw(number, 4),
      "area(noisy)": area + 0.1,
      "worst(0.3)": area / 3,
      ...(goal === "both" ? { "accuracy(adversarial, 0.1)": area + 0.05 } : {}),
    },
    weights: hex(number + 1, 64),
    note: number % 17 === 0 ? "clean 0.951 misses clean >= 0.96" : "",
  };
}

const DECISIONS = [
  ["go on", "area(adversarial) 0.612 is among the best 4 of 12 at 10,000 images"],
  ["stop", "area(adversarial) 0.411 is below the median 0.503 of 9 trials at 10,000 images"],
  ["go on", "area(adversarial) 0.583 is the best of 3 at 3,333 images"],
] as const;

function decisionOf(number: number): SweepDecision {
  const [decision, reason] = DECISIONS[number % DECISIONS.length] ?? DECISIONS[0];
  return {
    trial: number,
    id: hex(number, 16),
    rung: number % 2,
    decision,
    reason,
    time: 1_800_000_000 + number,
  };
}

function bestAfter(results: number): SweepTrial[] {
  const trials = Array.from({ length: Math.min(results, 120) }, (_, i) => trialOf(results - 1 - i, i % 3));
  return trials.sort((a, b) => (b.metrics["area(adversarial)"] ?? 0) - (a.metrics["area(adversarial)"] ?? 0));
}

/** After so many results, of a sweep with so many trials. */
export function sweepAfter(
  results: number,
  planned = TRIALS,
  over: Partial<SweepProgress> = {},
): SweepProgress {
  const created = Math.min(planned, Math.ceil(results / 1.5) + 2);
  const [done, waiting] = [Math.floor(created / 10), Math.floor(created / 4)];
  const failed = Math.floor(created / 100);
  const running = created < planned ? 2 : 0;
  const rungs = [created - running - waiting, waiting, done].map((count, rung) => ({
    rung,
    samples: FIRST_SAMPLES * FACTOR ** rung,
    count: Math.max(0, count),
  }));
  return {
    name: "robust-mnist",
    title: "The most robust MNIST net",
    state: running > 0 ? "running" : "done",
    counts: { running, waiting, done, failed, stopped: created - running - waiting - done - failed },
    rungs,
    planned,
    samplesSeen: results * FIRST_SAMPLES,
    samplesPerSecond: 4321,
    objectives: [{ metric: "area(adversarial)", goal: "maximize" }],
    best: over.best ?? bestAfter(results),
    seconds: 3 * results,
    etaSeconds: running > 0 ? 3 * (planned - created) : undefined,
    decisions: Array.from({ length: Math.min(12, results) }, (_, i) => decisionOf(results - 1 - i)),
    ...over,
  };
}
