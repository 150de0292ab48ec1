/**
 * A sweep as metrics. Trials come and go by the thousand: none has a series of its own, and what a run would show under its
 * name is only counted.
 */
import type { Config } from "../../shared/config/run.js";
import type { Metrics } from "../../shared/io/metrics-registry.js";
import { TRIAL_FAILURES, type TrialFailure } from "../../shared/metrics.js";
import { TRIAL_STATES } from "../../shared/records/sweep-line.js";
import type { SweepObjective, SweepProgress, SweepTrial } from "../../shared/sweep-progress.js";
import type { RunMeter } from "./run-meter.js";

/** What the whole cluster shows: telemetry.ts. */
export interface ClusterTelemetry {
  readonly metrics: Metrics;
  worked(worker: string, seconds: number, images: number): void;
  attackLabel(attack: string): string;
}

export class SweepTelemetry {
  readonly #cluster: ClusterTelemetry;
  readonly #metrics: Metrics;
  readonly #labels: { sweep: string };
  readonly #onEnd: () => void;
  /** The most that was told; what was seen before this coordinator began is none of its own. */
  #samplesSeen: number | undefined;
  #rungs = new Set<string>();

  /** `onEnd`: its series may go. */
  constructor(cluster: ClusterTelemetry, name: string, onEnd: () => void) {
    this.#cluster = cluster;
    this.#metrics = cluster.metrics;
    this.#labels = { sweep: name };
    this.#onEnd = onEnd;
    this.#metrics.add("sweepSamples", 0, this.#labels);
    for (const code of TRIAL_FAILURES) this.#metrics.add("sweepFailures", 0, { ...this.#labels, code });
  }

  /** The same that is published, as often. */
  progress(told: SweepProgress): void {
    for (const state of TRIAL_STATES)
      this.#metrics.set("sweepTrials", told.counts[state], { ...this.#labels, state });
    this.#showRungs(told.rungs);
    this.#setOrRemove("sweepPlanned", told.planned);
    this.#setOrRemove("sweepEta", told.etaSeconds);
    // A trial that begins again takes back what it saw: it is counted when more was seen than ever.
    const before = this.#samplesSeen ?? told.samplesSeen;
    this.#samplesSeen = Math.max(before, told.samplesSeen);
    this.#metrics.add("sweepSamples", this.#samplesSeen - before, this.#labels);
    for (const objective of told.objectives) {
      const best = bestOf(told.best, objective, told.objectives.length === 1);
      if (best === undefined) continue;
      this.#metrics.set("sweepBest", best, { ...this.#labels, objective: objective.metric });
    }
  }

  #showRungs(rungs: SweepProgress["rungs"]): void {
    const shown = new Set(rungs.map(({ rung }) => String(rung)));
    for (const rung of this.#rungs)
      if (!shown.has(rung)) this.#metrics.remove("sweepRungTrials", { ...this.#labels, rung });
    for (const { rung, count } of rungs)
      this.#metrics.set("sweepRungTrials", count, { ...this.#labels, rung: String(rung) });
    this.#rungs = shown;
  }

  #setOrRemove(key: "sweepPlanned" | "sweepEta", value: number | undefined): void {
    if (value === undefined) this.#metrics.remove(key, this.#labels);
    else this.#metrics.set(key, value, this.#labels);
  }

  /** The run of a trial: what it does is counted for its workers and attacks, and nothing is shown in its name. */
  runOf({ train }: Config): RunMeter {
    const cluster = this.#cluster;
    const none = (): void => undefined;
    return {
      ...{ state: none, accuracy: none, evaluating: none, tasks: none },
      committed: ({ blocks, samples }) => {
        for (const { worker, ms, count } of blocks)
          cluster.worked(worker, ms / 1000, (samples * count) / train.slots);
      },
      checkpoint: (outcome, seconds) => {
        cluster.metrics.add("checkpoints", 1, { outcome });
        cluster.metrics.observe("checkpointSeconds", seconds);
      },
      taskRetried: (reason) => cluster.metrics.add("evaluationRetries", 1, { reason }),
      measured: ({ task }, seconds) => {
        const attack = cluster.attackLabel(task.attack ?? task.kind);
        cluster.metrics.observe("evaluationTaskSeconds", seconds, { attack });
      },
    };
  }

  /** A trial has a result. `seconds`: of training and measuring since the one before. */
  measured(seconds: number): void {
    this.#metrics.observe("sweepTrialSeconds", seconds, this.#labels);
  }

  /** An attempt of a trial came to nothing. */
  failed(code: TrialFailure): void {
    this.#metrics.add("sweepFailures", 1, { ...this.#labels, code });
  }

  /** Nothing more happens in this sweep. */
  ended(): void {
    this.#onEnd();
  }
}

/** With one objective the first is the best; with several no order serves all of them. */
function bestOf(
  best: readonly SweepTrial[],
  { metric, goal }: SweepObjective,
  isOnly: boolean,
): number | undefined {
  const ranked = isOnly ? best.slice(0, 1) : best;
  const values = ranked.map(({ metrics }) => metrics[metric] ?? NaN).filter(Number.isFinite);
  if (values.length === 0) return undefined;
  return goal === "maximize" ? Math.max(...values) : Math.min(...values);
}
