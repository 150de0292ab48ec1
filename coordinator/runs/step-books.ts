/** The books of a training: who computed what (ledger.jsonl), what each step came to (metrics.jsonl), and its speed. */
import { fingerprintId } from "../../shared/fingerprint.js";
import type { EMULATED } from "../../shared/engine.js";
import type { StepMetric } from "../../shared/results.js";
import type { CommittedStep } from "../training/training-types.js";
import { RunEngines } from "./engines.js";
import type { RunSetup } from "./setup.js";
import type { RunJournal } from "./storage.js";

export const LEDGER = "ledger.jsonl";
export const METRICS = "metrics.jsonl";

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

export class StepBooks {
  readonly #ledger: RunJournal;
  readonly #metrics: RunJournal;
  readonly #engines: RunEngines;
  /** When the training would have begun, had it not been interrupted. */
  readonly #startedMs: number;
  readonly #engine: LedgerLine["engine"];
  readonly #throughput = new Throughput();

  private constructor(
    books: { ledger: RunJournal; metrics: RunJournal; engines: RunEngines },
    { startedMs, engine }: { startedMs: number; engine: LedgerLine["engine"] },
  ) {
    this.#engine = engine;
    this.#ledger = books.ledger;
    this.#metrics = books.metrics;
    this.#engines = books.engines;
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
    const ledger = await storage.openJournal(LEDGER, onError);
    const metrics = await storage.openJournal(METRICS, onError);
    const engines = await RunEngines.open(storage, step === 0);
    const startedMs = clock.now() - 1000 * secondsBefore;
    return new StepBooks({ ledger, metrics, engines }, { startedMs, engine: config.engine });
  }

  committed(step: CommittedStep): void {
    this.#ledger.append(ledgerLine(step, this.#engine));
    this.#engines.committed(step);
    this.#metrics.append(stepMetric(step, (step.atMs - this.#startedMs) / 1000));
    this.#throughput.committed(step.samples, step.atMs);
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
    return this.#ledger.heldBytes + this.#metrics.heldBytes;
  }

  /** Resolves when all steps so far are on the disk. Throws ClusterError("storage"). */
  async flush(): Promise<void> {
    await Promise.all([this.#ledger.flush(), this.#metrics.flush()]);
    await this.#engines.flush();
  }

  async close(): Promise<void> {
    await Promise.all([this.#ledger.close(), this.#metrics.close()]);
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
