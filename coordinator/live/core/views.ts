/**
 * What the live page and the API show, as schemas: the types, the OpenAPI file and the tests of real answers all come
 * from here. Shares lie in [0, 1], times are milliseconds since 1970, durations are in seconds. What is not known is null.
 */
import { z } from "zod";
import { NOTE_LEVELS, PHASES, WORKER_STATES } from "../../../shared/events.js";
import { TRIAL_STATES } from "../../../shared/records/sweep-line.js";
import { NORMS, PERTURBATION_KINDS, PROCEDURES } from "../../../shared/results.js";
import { MOST_BEST_TRIALS, MOST_DECISIONS, SWEEP_STATES } from "../../../shared/sweep-progress.js";

const share = z.number().min(0).max(1);
const timeMs = z.number().describe("milliseconds since 1970-01-01 UTC");
const count = z.number().int().min(0);

export const runPhase = z.enum([...PHASES, "done", "interrupted", "failed"]);

const progress = z.strictObject({
  done: count.describe("steps, or images times strengths"),
  total: count,
  per_second: z.number().min(0).describe("images a second, or images times strengths a second"),
  eta_seconds: z.number().min(0).nullable(),
});

export const runView = z
  .strictObject({
    name: z.string(),
    id: z.string().describe("the same for every process that works on this folder"),
    network: z.string().nullable(),
    data_set: z.string().nullable(),
    seed: count.nullable(),
    batch_size: count.nullable(),
    phase: runPhase,
    detail: z.string().describe("what is worked on, in words"),
    since: timeMs.describe("when this phase began"),
    training: progress.extend({
      epoch: z.number().min(0),
      epochs: z.number().min(0),
      loss: z.number().nullable().describe("exponentially weighted over the steps"),
      accuracy: share.nullable().describe("of the training images, before the update; weighted likewise"),
      learning_rate: z.number().min(0).nullable(),
    }),
    evaluation: progress.nullable().describe("of the newest evaluation; null before the first"),
    clean_accuracy: share.nullable().describe("of the newest weights that were measured"),
    outcome: z
      .strictObject({
        ok: z.boolean(),
        code: z.string().describe("of the error; empty when there is none"),
        message: z.string(),
        exit_code: count,
      })
      .nullable(),
    unreliable: z.array(z.string()).describe("why the robustness figures must not be believed"),
  })
  .meta({ id: "Run", description: "One training, from seed to result." });
export type RunView = z.infer<typeof runView>;

export const curveView = z
  .strictObject({
    generation: count.describe("grows when earlier points change"),
    step: z.array(z.number().min(0)),
    loss: z.array(z.number().nullable()),
    accuracy: z.array(share.nullable()),
    test: z
      .array(z.strictObject({ step: z.number().min(0), accuracy: share }))
      .describe("accuracy on the clean test images, as often as it was measured"),
  })
  .meta({
    id: "Curve",
    description: "Loss and accuracy by step, thinned out to a few hundred points; columns of equal length.",
  });
export type CurveView = z.infer<typeof curveView>;

const seriesView = z
  .strictObject({
    protocol: z.enum(PROCEDURES),
    kind: z.enum(PERTURBATION_KINDS),
    attack: z.string(),
    norm: z.enum(NORMS).nullable(),
    points: z.array(
      z.strictObject({
        strength: z.number().min(0),
        n: count.describe("images measured so far"),
        accuracy: share.describe("share of right answers; of nonsense images: share rejected"),
        ci_low: share.describe("Wilson interval at 95 %"),
        ci_high: share,
        mean_confidence: z.number().nullable(),
        unreliable: z.array(z.string()),
      }),
    ),
  })
  .meta({ id: "Series", description: "Accuracy against strength under one perturbation." });
export type SeriesView = z.infer<typeof seriesView>;

const checkView = z
  .strictObject({
    number: count,
    title: z.string(),
    status: z.enum(["passed", "failed", "noted", "not run"]),
    detail: z.string(),
  })
  .meta({
    id: "SanityCheck",
    description: "A check against self-deception; they come with the end of a run.",
  });

const leaseView = z
  .strictObject({
    run: z.string(),
    unit: z.string().describe("what of it, in words"),
    attempt: count,
    held_seconds: z.number(),
    deadline_seconds: z.number().describe("until its deadline; negative once that has passed"),
  })
  .meta({ id: "Lease", description: "What a worker holds." });

export const workerView = z
  .strictObject({
    id: z.string(),
    state: z.enum([...WORKER_STATES, "gone"]),
    engine: z.string(),
    step_seconds: z.number().min(0).nullable().describe("weighted time of a lease"),
    samples_per_second: z.number().min(0).nullable(),
    samples: count.describe("images computed so far"),
    rss_bytes: z.number().min(0),
    retries: count,
    holds: leaseView.nullable(),
    times_slower: z
      .number()
      .min(0)
      .nullable()
      .describe("how many times as long as the median worker it takes an image; of two, as the faster one"),
    rests_seconds: z.number().min(0).describe("gets no work for so long: its leases failed"),
    note: z.string().describe("why its last lease was taken away, in words; empty while none was"),
    last_seen: timeMs,
    slowest: z.boolean().describe("fewest images a second, and clearly fewer than the others"),
  })
  .meta({ id: "Worker" });
export type WorkerView = z.infer<typeof workerView>;

export const waitView = z
  .strictObject({
    run: z.string(),
    text: z.string().describe("what waits for whom, for how long, until when"),
    is_late: z.boolean().describe("longer than usual"),
  })
  .meta({ id: "Wait", description: "What a run waits for." });
export type WaitView = z.infer<typeof waitView>;

export const takenView = z
  .strictObject({
    run: z.string(),
    worker: z.string(),
    unit: z.string(),
    reason: z.string().describe("in the words of the decision"),
    time: timeMs,
  })
  .meta({ id: "Taken", description: "A lease that was taken away from its worker." });
export type TakenView = z.infer<typeof takenView>;

const trialView = z
  .strictObject({
    id: z.string(),
    number: count.describe("in the order in which the search made them"),
    state: z.enum(TRIAL_STATES),
    rung: count.describe("of its newest result"),
    values: z.record(z.string(), z.unknown()).describe("what it sets, by path; long ones are cut"),
    metrics: z
      .record(z.string(), z.number())
      .describe("of its newest result: the objectives and what sums up"),
    weights: z.string().describe("SHA-256; empty while there is no result"),
    note: z
      .string()
      .describe("why it must not be believed or is not ranked; empty when nothing is to be said"),
  })
  .meta({ id: "Trial", description: "One run of a sweep." });

export const sweepView = z
  .strictObject({
    name: z.string(),
    title: z.string(),
    state: z.enum(SWEEP_STATES),
    trials: z
      .strictObject({ running: count, waiting: count, done: count, stopped: count, failed: count })
      .describe("how many are in which state; waiting ones are at a rung"),
    planned: count.nullable().describe("trials in the end"),
    rungs: z.array(
      z.strictObject({
        rung: count,
        samples: z.number().min(0).describe("training images that a trial has seen there"),
        count: count.describe("trials whose newest result is from there"),
      }),
    ),
    samples: z.number().min(0).describe("training images over all trials"),
    samples_per_second: z.number().min(0),
    objectives: z.array(z.strictObject({ metric: z.string(), goal: z.enum(["maximize", "minimize"]) })),
    best: z.array(trialView).max(MOST_BEST_TRIALS).describe("the best first"),
    seconds: z.number().min(0).describe("since the sweep was opened first"),
    eta_seconds: z.number().min(0).nullable(),
    decisions: z
      .array(
        z.strictObject({
          trial: count.describe("its number"),
          id: z.string().describe("the trial's"),
          rung: count,
          decision: z.enum(["go on", "wait", "stop"]),
          reason: z.string(),
          time: timeMs,
        }),
      )
      .max(MOST_DECISIONS)
      .describe("the newest first"),
  })
  .meta({
    id: "Sweep",
    description: "Many runs from one spec; of its trials the best, the others as counts.",
  });
export type SweepView = z.infer<typeof sweepView>;

export const eventView = z
  .strictObject({
    seq: count.describe("rises by one"),
    time: timeMs,
    level: z.enum(NOTE_LEVELS),
    run: z.string().nullable(),
    message: z.string(),
  })
  .meta({ id: "Event" });
export type EventView = z.infer<typeof eventView>;

export const clusterView = z
  .strictObject({
    title: z.string(),
    pool: z.string(),
    version: z.string(),
    started: timeMs,
    heard: timeMs.describe("when the coordinator last said anything to this page's server"),
    phase: z.string().describe("waiting or reporting, while no run is active; else empty"),
    detail: z.string(),
  })
  .meta({ id: "Cluster" });
export type ClusterView = z.infer<typeof clusterView>;

export const evaluationView = z.strictObject({
  run: z.string(),
  evaluation: progress.nullable(),
  clean_accuracy: share.nullable(),
  final: z.boolean().describe("the evaluation is complete, sanity checks included"),
  unreliable: z.array(z.string()),
  series: z.array(seriesView),
  checks: z.array(checkView),
});
export type CheckView = z.infer<typeof checkView>;
