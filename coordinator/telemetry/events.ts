/** What happens, told to whoever listens: published on events.<kind> for progress views, rate-limited. */
import type { Bus } from "../../shared/bus.js";
import { ClusterError, exitCodeOf } from "../../shared/errors.js";
import { wire, writeMessage } from "../../shared/messages.js";
import { type ModelResult, type StepMetric, seriesOf } from "../../shared/results.js";
import type { PoolView } from "../../shared/pool-view.js";
import { redact } from "../../shared/redact.js";
import type { Subjects } from "../../shared/subjects.js";
import { type SweepProgress, sweepMessage } from "../../shared/sweep-progress.js";
import { CurveTally, type MeasuredRange } from "../evaluation/curves.js";
import type { EvaluationProgress } from "../runs/observer.js";
import {
  type CurveSample,
  type Finished,
  type LiveEvent,
  MOST_SAMPLES,
  type NoteLevel,
  type ProgressEvent,
  type RunOpened,
  type WorkerRow,
} from "../../shared/events.js";

const PROGRESS_EVERY_MS = 200;
const WORKERS_EVERY_MS = 500;
/** A shown speed is the mean over this time; moments closer together than the second tell nothing new. */
const SPEED_WINDOW_MS = 10_000;
const SPEED_EVERY_MS = 250;
/** Weight of the newest value in a shown average. */
const SMOOTHING = 0.05;
/** An estimate before this many steps would only jump about. */
const STEPS_BEFORE_ETA = 20;

export class EventPublisher {
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly clock: () => number;
  readonly #tell: (event: LiveEvent) => void;
  readonly #wallClock: () => number;
  readonly #workersTold: AtMostEvery;

  /** `tell` hears all of it, connected or not, and what is not for the bus. `wallClock`: milliseconds since 1970. */
  constructor(
    bus: Bus,
    subjects: Subjects,
    clock: () => number,
    wallClock: () => number,
    tell: (event: LiveEvent) => void = () => undefined,
  ) {
    this.#bus = bus;
    this.#subjects = subjects;
    this.clock = clock;
    this.#tell = tell;
    this.#wallClock = wallClock;
    this.#workersTold = new AtMostEvery(WORKERS_EVERY_MS, clock);
  }

  /** What happens to one run. */
  ofRun(runId: string, model: string): RunEvents {
    return new RunEvents(this, runId, model);
  }

  /** What the cluster as a whole does. */
  phase(name: string, detail: string): void {
    this.publish("phase", { phase: { name, detail } });
  }

  note(level: NoteLevel, message: string): void {
    this.publish("note", { note: { level, message: redact(message) } });
  }

  /** What the cluster as a whole did has come to its end. */
  finished(message: string): void {
    this.publish("finished", { finished: { ok: true, message } });
  }

  /** The whole work ended before any run did. */
  failed(error: unknown): void {
    this.publish("finished", { finished: failureOf(error) });
  }

  /** `pool`: what else the live page shows of them. */
  workers(rows: WorkerRow[], pool: PoolView): void {
    if (this.#workersTold.isDue()) this.publish("workers", { workers: { workers: rows } }, { pool });
  }

  /** How a sweep stands. The caller tells it a few times a second at most: what goes into it is not free. */
  sweep(progress: SweepProgress): void {
    const message = sweepMessage(progress);
    const decisions = (message.decisions ?? []).map((of) => ({ ...of, reason: redact(of.reason ?? "") }));
    this.publish("sweep", { sweep: { ...message, decisions } });
  }

  /** Where the live page is. */
  serving(url: string): void {
    this.publish("serving", { serving: { url } });
  }

  /** `besides`: what is for the live page alone. */
  publish(kind: string, event: ProgressEvent, besides: Pick<LiveEvent, "pool"> = {}): void {
    const told = { timeMs: this.#wallClock(), ...event };
    this.#tell({ ...told, ...besides });
    if (!this.#bus.connected) return;
    this.#bus.publish(this.#subjects.event(kind), writeMessage(wire.Event, told));
  }

  /** What only the live page wants to know. */
  tell(event: LiveEvent): void {
    this.#tell({ timeMs: this.#wallClock(), ...event });
  }
}

export class RunEvents {
  readonly #publisher: EventPublisher;
  readonly #progressTold: AtMostEvery;
  readonly #runId: string;
  readonly #model: string;
  #loss = NaN;
  #accuracy = NaN;
  #speed = new Speed();
  #evaluation = { startedMs: 0 };
  #learningRate = NaN;
  /** What was measured of the newest weights. */
  #measured = { checkpoint: "", tally: new CurveTally() };

  constructor(publisher: EventPublisher, runId: string, model: string) {
    this.#publisher = publisher;
    this.#progressTold = new AtMostEvery(PROGRESS_EVERY_MS, publisher.clock);
    this.#runId = runId;
    this.#model = model;
  }

  /** Where the run begins, or goes on; the averages go on as well. */
  opened(run: Omit<RunOpened, "runId" | "name" | "samples">, before: readonly StepMetric[]): void {
    const samples: CurveSample[] = [];
    const every = Math.ceil(before.length / MOST_SAMPLES);
    for (const [i, { step, loss, accuracy }] of before.entries()) {
      this.#loss = smooth(this.#loss, loss);
      this.#accuracy = smooth(this.#accuracy, accuracy);
      if ((i + 1) % every === 0 || i + 1 === before.length)
        samples.push({ step: step + 1, loss: this.#loss, accuracy: this.#accuracy });
    }
    this.#publisher.tell({ opened: { ...run, runId: this.#runId, name: this.#model, samples } });
  }

  /** The learning rate of the newest step. */
  learningRate(rate: number): void {
    if (rate === this.#learningRate) return;
    this.#learningRate = rate;
    this.#publisher.tell({ learningRate: { runId: this.#runId, rate } });
  }

  testAccuracy(step: number, accuracy: number): void {
    this.#publisher.tell({ testAccuracy: { runId: this.#runId, step, accuracy } });
  }

  /** Outcomes on weights with this hash; several when they were measured before. */
  measured(checkpoint: string, ranges: readonly MeasuredRange[]): void {
    if (checkpoint !== this.#measured.checkpoint) this.#measured = { checkpoint, tally: new CurveTally() };
    const bySeries = new Map(
      ranges.map((range) => [seriesOf(range.task), this.#measured.tally.add(range)] as const),
    );
    const points = [...bySeries.values()].flat();
    this.#publisher.tell({ measured: { runId: this.#runId, checkpoint, points } });
  }

  result({ curves, checks = [], unreliable = [] }: ModelResult): void {
    this.#publisher.tell({ result: { runId: this.#runId, points: curves, checks, unreliable } });
  }

  phase(name: string, detail: string): void {
    this.#speed = new Speed();
    this.#evaluation = { startedMs: this.#publisher.clock() };
    this.#publisher.publish("phase", { phase: { runId: this.#runId, model: this.#model, name, detail } });
  }

  note(level: NoteLevel, message: string): void {
    this.#publisher.note(level, message);
  }

  /** The run has come to its end, or to a checkpoint from which it can go on. */
  finished(interrupted: boolean): void {
    const end = interrupted ? { message: "interrupted", code: "interrupted" } : { message: "done" };
    this.#publisher.publish("finished", { finished: { runId: this.#runId, ok: true, ...end } });
  }

  failed(error: unknown): void {
    this.#publisher.publish("finished", { finished: { runId: this.#runId, ...failureOf(error) } });
  }

  /** `done`: steps done by now, `samples` in each; `loss` and `accuracy` of the newest one. */
  trained(done: number, of: TrainingLength, loss: number, accuracy: number): void {
    const { total, perEpoch, samples } = of;
    this.#loss = smooth(this.#loss, loss);
    this.#accuracy = smooth(this.#accuracy, accuracy);
    const stepsPerSecond = this.#speed.seen(done, this.#publisher.clock());
    if (!this.#progressTold.isDue() && done < total) return;
    this.#publisher.publish("progress", {
      progress: {
        runId: this.#runId,
        model: this.#model,
        phase: "training",
        done,
        total,
        epoch: done / perEpoch,
        epochs: total / perEpoch,
        loss: this.#loss,
        accuracy: this.#accuracy,
        samplesPerSecond: samples * stepsPerSecond,
        etaSeconds: stepsPerSecond === 0 ? -1 : (total - done) / stepsPerSecond,
      },
    });
  }

  /** `workDone`: share of the work, by its cost. */
  evaluated({ done, total, workDone, detail }: EvaluationProgress): void {
    const seconds = (this.#publisher.clock() - this.#evaluation.startedMs) / 1000;
    const rate = done / Math.max(seconds, 1e-3);
    this.#publisher.publish("progress", {
      progress: {
        runId: this.#runId,
        model: this.#model,
        phase: "evaluating",
        done,
        total,
        samplesPerSecond: rate,
        etaSeconds: workDone === 0 ? -1 : (seconds * (1 - workDone)) / workDone,
        detail,
      },
    });
  }
}

/** Lets something through at most once in so many milliseconds. */
class AtMostEvery {
  readonly #everyMs: number;
  readonly #clock: () => number;
  #lastMs = -Infinity;

  constructor(everyMs: number, clock: () => number) {
    this.#everyMs = everyMs;
    this.#clock = clock;
  }

  isDue(): boolean {
    const now = this.#clock();
    if (now - this.#lastMs < this.#everyMs) return false;
    this.#lastMs = now;
    return true;
  }
}

/** Steps of a training, of an epoch, and images of a step. */
export interface TrainingLength {
  total: number;
  perEpoch: number;
  samples: number;
}

/** Steps a second over the last while. Steps come one by one, or are told of many at a time: only the count at a moment matters. */
export class Speed {
  readonly #seen: { done: number; ms: number }[] = [];
  #first = NaN;

  /** Zero while it is too early to say. */
  seen(done: number, nowMs: number): number {
    if (Number.isNaN(this.#first)) this.#first = done;
    const last = this.#seen.at(-1);
    if (last === undefined || nowMs - last.ms >= SPEED_EVERY_MS) this.#seen.push({ done, ms: nowMs });
    while (this.#seen.length > 2 && nowMs - (this.#seen[1]?.ms ?? nowMs) > SPEED_WINDOW_MS)
      this.#seen.shift();
    const oldest = this.#seen[0];
    if (oldest === undefined || nowMs === oldest.ms || done - this.#first < STEPS_BEFORE_ETA) return 0;
    return Math.max(0, (1000 * (done - oldest.done)) / (nowMs - oldest.ms));
  }
}

function failureOf(error: unknown): Finished {
  const { message, code, hint } =
    error instanceof ClusterError
      ? error
      : { message: error instanceof Error ? error.message : String(error), code: "unexpected", hint: "" };
  return { ok: false, message: redact(message), code, hint: redact(hint ?? ""), exitCode: exitCodeOf(error) };
}

function smooth(average: number, value: number): number {
  return Number.isNaN(average) ? value : average + SMOOTHING * (value - average);
}
