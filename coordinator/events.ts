/** What happens, told to whoever listens: published on events.<kind> for progress views, rate-limited. */
import type { Bus } from "../shared/bus.js";
import { ClusterError, exitCodeOf } from "../shared/errors.js";
import { type saf, wire, writeMessage } from "../shared/messages.js";
import type { Subjects } from "../shared/subjects.js";

const PROGRESS_EVERY_MS = 200;
const WORKERS_EVERY_MS = 500;
/** Weight of the newest value in a shown average. */
const SMOOTHING = 0.05;
/** An estimate before this many steps would only jump about. */
const STEPS_BEFORE_ETA = 20;

export class EventPublisher {
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #clock: () => number;
  readonly #lastMs = new Map<string, number>();
  #model = "";
  #runId = "";
  #loss = NaN;
  #accuracy = NaN;
  #stepMs = NaN;
  #evaluation = { startedMs: 0, doneAtStart: 0 };
  #lastStepMs: number | undefined;
  #seen = 0;

  constructor(bus: Bus, subjects: Subjects, clock: () => number) {
    this.#bus = bus;
    this.#subjects = subjects;
    this.#clock = clock;
  }

  beginRun(runId: string, model: string): void {
    this.#runId = runId;
    this.#model = model;
    this.#loss = NaN;
    this.#accuracy = NaN;
    this.#stepMs = NaN;
    this.#lastStepMs = undefined;
    this.#seen = 0;
  }

  phase(name: string, detail: string): void {
    this.#lastStepMs = undefined;
    this.#evaluation = { startedMs: this.#clock(), doneAtStart: 0 };
    this.#publish("phase", { phase: { runId: this.#runId, model: this.#model, name, detail } });
  }

  note(level: "info" | "warning" | "error", message: string): void {
    this.#publish("note", { note: { level, message } });
  }

  /** The run in work has come to its end, or to a checkpoint from which it can go on. */
  finished(interrupted: boolean): void {
    const end = interrupted ? { message: "interrupted", code: "interrupted" } : { message: "done" };
    this.#publish("finished", { finished: { runId: this.#runId, ok: true, ...end } });
  }

  failed(error: unknown): void {
    const { message, code, hint } =
      error instanceof ClusterError
        ? error
        : { message: error instanceof Error ? error.message : String(error), code: "unexpected", hint: "" };
    this.#publish("finished", {
      finished: {
        runId: this.#runId,
        ok: false,
        message,
        code,
        hint: hint ?? "",
        exitCode: exitCodeOf(error),
      },
    });
  }

  workers(rows: saf.v1.WorkerRow.$Properties[]): void {
    if (this.#due("workers", WORKERS_EVERY_MS)) this.#publish("workers", { workers: { workers: rows } });
  }

  /** `step`: steps committed by now. */
  trained(
    step: number,
    steps: number,
    stepsPerEpoch: number,
    loss: number,
    accuracy: number,
    samples: number,
  ): void {
    const now = this.#clock();
    this.#loss = smooth(this.#loss, loss);
    this.#accuracy = smooth(this.#accuracy, accuracy);
    if (this.#lastStepMs !== undefined) this.#stepMs = smooth(this.#stepMs, now - this.#lastStepMs);
    this.#lastStepMs = now;
    this.#seen++;
    if (!this.#due("progress", PROGRESS_EVERY_MS) && step < steps) return;
    this.#publish("progress", {
      progress: {
        runId: this.#runId,
        model: this.#model,
        phase: "training",
        done: step,
        total: steps,
        epoch: step / stepsPerEpoch,
        epochs: steps / stepsPerEpoch,
        loss: this.#loss,
        accuracy: this.#accuracy,
        samplesPerSecond: Number.isNaN(this.#stepMs) ? 0 : samples / (this.#stepMs / 1000),
        etaSeconds: this.#seen < STEPS_BEFORE_ETA ? -1 : ((steps - step) * this.#stepMs) / 1000,
      },
    });
  }

  evaluated(done: number, total: number, detail: string): void {
    const seconds = (this.#clock() - this.#evaluation.startedMs) / 1000;
    const rate = done / Math.max(seconds, 1e-3);
    this.#publish("progress", {
      progress: {
        runId: this.#runId,
        model: this.#model,
        phase: "evaluating",
        done,
        total,
        samplesPerSecond: rate,
        etaSeconds: done === 0 ? -1 : (total - done) / rate,
        detail,
      },
    });
  }

  #due(kind: string, everyMs: number): boolean {
    const now = this.#clock();
    if (now - (this.#lastMs.get(kind) ?? -Infinity) < everyMs) return false;
    this.#lastMs.set(kind, now);
    return true;
  }

  #publish(kind: string, event: saf.v1.Event.$Properties): void {
    if (!this.#bus.connected) return;
    this.#bus.publish(this.#subjects.event(kind), writeMessage(wire.Event, { timeMs: Date.now(), ...event }));
  }
}

function smooth(average: number, value: number): number {
  return Number.isNaN(average) ? value : average + SMOOTHING * (value - average);
}
