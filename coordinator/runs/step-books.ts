/**
 * The books of a training: who computed what (ledger.jsonl), what each step came to (metrics.jsonl), which weights it had
 * (weights.jsonl), and its speed.
 */
import { fingerprintId } from "../../shared/fingerprint.js";
import type { EMULATED } from "../../shared/engine.js";
import type { StepMetric } from "../../shared/results.js";
import type { CommittedStep } from "../training/training-types.js";
import { RunEngines } from "./engines.js";
import type { RunSetup } from "./setup.js";
import type { RunJournal } from "./storage.js";
import type { Weights } from "./weights.js";

export const LEDGER = "ledger.jsonl";
export const METRICS = "metrics.jsonl";
export const WEIGHTS = "weights.jsonl";

/** A line of ledger.jsonl: who computed what, and that each image was counted once. */
export interface LedgerLine {
  step: number;
  epoch: number;
  /** Positions [first, end) in the epoch's order. */
  first: number;
  end: number;
  samples: number;
  /** Only where the gradients were made up. */
  engine?: typeof EMULATED;
  blocks: {
    slots: [number, number];
    worker: string;
    /** Id of its engine in engines.json; lines of versions before November 2026 have none. */
    engine?: string;
    attempt: number;
    ms: number;
  }[];
}

/** A line of weights.jsonl, of a saved state and of some others: a step that is computed again can be compared with it. */
export interface WeightsLine {
  /** Steps committed. */
  step: number;
  weights_sha256: string;
}

interface Journals {
  ledger: RunJournal;
  metrics: RunJournal;
  weights: RunJournal;
}

export class StepBooks {
  readonly #journals: Journals;
  readonly #engines: RunEngines;
  /** When the training would have begun, had it not been interrupted. */
  readonly #startedMs: number;
  readonly #engine: LedgerLine["engine"];
  readonly #throughput = new Throughput();

  private constructor(
    { journals, engines }: { journals: Journals; engines: RunEngines },
    { startedMs, engine }: { startedMs: number; engine: LedgerLine["engine"] },
  ) {
    this.#engine = engine;
    this.#journals = journals;
    this.#engines = engines;
    this.#startedMs = startedMs;
  }

  /**
   * Goes on behind `step`; `secondsBefore`: of training, in attempts before this one. Throws ClusterError("storage").
   */
  static async open(
    { storage, observer, clock, config }: RunSetup,
    { step, secondsBefore }: { step: number; secondsBefore: number },
  ): Promise<StepBooks> {
    const onError = (error: Error): void => observer.note("warning", error.message);
    const journals = {
      ledger: await storage.openJournal(LEDGER, onError),
      metrics: await storage.openJournal(METRICS, onError),
      weights: await storage.openJournal(WEIGHTS, onError),
    };
    const engines = await RunEngines.open(storage, step === 0);
    const startedMs = clock.now() - 1000 * secondsBefore;
    return new StepBooks({ journals, engines }, { startedMs, engine: config.engine });
  }

  committed(step: CommittedStep): void {
    const { ledger, metrics } = this.#journals;
    ledger.append(ledgerLine(step, this.#engine));
    this.#engines.committed(step);
    metrics.append(stepMetric(step, (step.atMs - this.#startedMs) / 1000));
    this.#throughput.committed(step.samples, step.atMs);
  }

  /** The weights after a step, under their hash. */
  named({ step, sha256 }: Pick<Weights, "step" | "sha256">): void {
    this.#journals.weights.append({ step, weights_sha256: sha256 } satisfies WeightsLine);
  }

  /** Something else than training goes on. */
  pause(): void {
    this.#throughput.pause();
  }

  /** Samples a second; 0 when nothing was trained. */
  get rate(): number {
    return this.#throughput.rate;
  }

  /** Of lines that are not on the disk yet. */
  get heldBytes(): number {
    return this.#all.reduce((sum, { heldBytes }) => sum + heldBytes, 0);
  }

  /** Resolves when all steps so far are on the disk. Throws ClusterError("storage"). */
  async flush(): Promise<void> {
    await Promise.all(this.#all.map((journal) => journal.flush()));
    await this.#engines.flush();
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((journal) => journal.close()));
  }

  get #all(): RunJournal[] {
    return Object.values<RunJournal>({ ...this.#journals });
  }
}

/** Samples a second between commits, pauses for evaluations and the first step (cold workers) left out. */
class Throughput {
  #samples = 0;
  #ms = 0;
  #lastMs: number | undefined;

  committed(samples: number, nowMs: number): void {
    if (this.#lastMs !== undefined) {
      this.#samples += samples;
      this.#ms += nowMs - this.#lastMs;
    }
    this.#lastMs = nowMs;
  }

  pause(): void {
    this.#lastMs = undefined;
  }

  get rate(): number {
    return this.#ms === 0 ? 0 : this.#samples / (this.#ms / 1000);
  }
}

function ledgerLine(
  { step, epoch, firstImage, endImage, samples, blocks }: CommittedStep,
  engine: LedgerLine["engine"],
): LedgerLine {
  return {
    step,
    epoch,
    first: firstImage,
    end: endImage,
    samples,
    ...(engine === undefined ? {} : { engine }),
    blocks: blocks.map(({ first, count, worker, engine, attempt, ms }) => ({
      slots: [first, first + count],
      worker,
      engine: fingerprintId(engine),
      attempt,
      ms: Math.round(ms * 10) / 10,
    })),
  };
}

function stepMetric(
  { step, epoch, loss, hits, samples, learningRate }: CommittedStep,
  seconds: number,
): StepMetric {
  return { step, epoch, loss, accuracy: hits / samples, learning_rate: learningRate, seconds };
}
