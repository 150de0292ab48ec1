/** Hears what a trial does on its way to a rung: what it saw, its loss, and what is worth a line. */
import { totalSteps } from "../../shared/core/schedule.js";
import { samplesAfter } from "./rungs.js";
import { trialName } from "../../shared/trial-name.js";
import { resolveRun, stepPlan } from "../../shared/resolve.js";
import { runIdentity } from "../runs/identity.js";
import type { RunObserver } from "../runs/observer.js";
import type { RunData } from "../runs/surroundings.js";
import type { RunVoice } from "../runs/voice.js";
import type { RunMeter } from "../telemetry/run-meter.js";
import type { CommittedStep } from "../training/training-types.js";
import type { Segment } from "./segment.js";
import type { TrialStorage } from "./trial-storage.js";

/** Weight of the newest step in the loss that is told. */
const SMOOTHING = 0.05;

export type Note = (level: "info" | "warning" | "error", message: string) => void;

export interface TrialHearing {
  storage: TrialStorage;
  meter: RunMeter | undefined;
  note: Note;
  onCommit: (step: CommittedStep) => void;
}

export class TrialVoice implements RunVoice {
  readonly #segment: Segment;
  readonly #storage: TrialStorage;
  readonly #meter: RunMeter | undefined;
  readonly #note: Note;
  readonly #onCommit: (step: CommittedStep) => void;
  /** Training images seen since its last rung. */
  samples = 0;
  /** Of steps before that. */
  #before = 0;

  constructor(segment: Segment, { storage, meter, note, onCommit }: TrialHearing) {
    this.#segment = segment;
    this.#storage = storage;
    this.#meter = meter;
    this.#note = note;
    this.#onCommit = onCommit;
  }

  /** Undefined while there was no step since its last rung. */
  get loss(): number | undefined {
    return this.#storage.loss;
  }

  /** Training images seen since the trial began. */
  get samplesInAll(): number {
    return this.#before + this.samples;
  }

  loading(): void {
    // The sweep tells how many are under way.
  }

  pending(): void {
    // The same.
  }

  ended(): void {
    // The book hears of it.
  }

  failed(): void {
    // The same.
  }

  observer(data: RunData): RunObserver {
    const { config } = this.#segment;
    const run = resolveRun(config);
    const plan = stepPlan(config, run, data.dataset.train.labels.length);
    this.#storage.course = { lastStep: totalSteps(plan), identity: runIdentity(config, data.sha256) };
    const meter = this.#meter;
    const quiet = (): void => undefined;
    return {
      phase: quiet,
      committed: (step, total) => {
        this.#committed(step);
        this.#onCommit(step);
        meter?.committed(step, total);
      },
      advanced: quiet,
      evaluating: quiet,
      opened: (step) => (this.#before = samplesAfter(plan, step)),
      accuracy: quiet,
      checkpoint: (outcome, seconds, bytes) => meter?.checkpoint(outcome, seconds, bytes),
      evaluationBegins: quiet,
      tasks: quiet,
      taskRetried: (reason) => meter?.taskRetried(reason),
      measured: (record, seconds, _, traceId) => meter?.measured(record, seconds, traceId),
      note: (level, message) => {
        if (level !== "info") this.#note(level, `${nameOf(this.#segment)}: ${message}`);
      },
    };
  }

  #committed({ samples, loss }: CommittedStep): void {
    this.samples += samples;
    const before = this.#storage.loss;
    this.#storage.loss = before === undefined ? loss : before + SMOOTHING * (loss - before);
  }
}

/** At the beginning of a sentence. */
function nameOf({ number, trial }: Segment): string {
  return trialName(number, trial).replace(/^t/, "T");
}
