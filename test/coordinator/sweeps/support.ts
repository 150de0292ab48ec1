/** Sweeps for tests: a small space, made-up outcomes, and a book that plays them through. */
import { SweepBook } from "../../../coordinator/sweeps/book.js";
import type { RungOutcome, Segment, SegmentEnd } from "../../../coordinator/sweeps/segment.js";
import type { Space } from "../../../coordinator/sweeps/space-shape.js";
import { spaceOf } from "../../../coordinator/sweeps/space.js";
import { sweepSchema } from "../../../shared/config/sweep.js";
import type { MetricValues, SweepLine } from "../../../shared/records/sweep-line.js";

export const CODE = "test";
export const BATCH = 64;

/** 270 steps of 64 images. */
export const BASE = {
  model: "plain",
  train: { batch_size: BATCH, slots: 1, max_steps: 270, evaluate_every_epochs: 0 },
  evaluate: { kinds: ["clean"] },
};

/** Rungs at 10, 30 and 90 steps; the last is behind 270. */
export const ASHA = { method: "asha", first_samples: 10 * BATCH, factor: 3 };

export function spaceFrom(spec: object, base: object = BASE): Space {
  const learningRate = { range: [0.001, 1], scale: "log" };
  const whole = { name: "test", base, parameters: { "train.learning_rate": learningRate }, ...spec };
  return spaceOf(sweepSchema.parse(whole), base);
}

/** Learning rates from a list, so that a trial's number says how good it is. */
export function listOf(count: number): { list: object[]; parameters: object } {
  const list = Array.from({ length: count }, (_, i) => ({ "train.learning_rate": (i + 1) / 1000 }));
  return { list, parameters: {} };
}

export function outcomeOf({ trial, rung }: Segment, metrics: MetricValues, samples?: number): SegmentEnd {
  const outcome: RungOutcome = {
    metrics,
    weights: `${trial}-${rung}`,
    samples: samples ?? BATCH * 10 * 3 ** rung,
    seconds: 1,
    images: 10_000,
  };
  return { outcome };
}

export const failure = (code: "worker" | "diverged" | "timeout" = "worker"): SegmentEnd => ({
  failure: { code, reason: "the worker is gone" },
});

/** What a journal keeps of lines. */
export function written(lines: readonly SweepLine[]): SweepLine[] {
  return JSON.parse(JSON.stringify(lines)) as SweepLine[];
}

export function replayed(
  space: Space,
  lines: readonly SweepLine[],
  code = CODE,
): { book: SweepBook; refused: string[] } {
  const book = new SweepBook(space, code);
  const refused = written(lines).flatMap((line) => book.apply(line) ?? []);
  return { book, refused };
}

/** A sweep that one worker computes, without faults. */
export class Played {
  readonly book: SweepBook;
  readonly lines: SweepLine[] = [];
  readonly segments: Segment[] = [];
  #timeS = 1000;

  constructor(space: Space, lines: readonly SweepLine[] = [], code = CODE) {
    this.book = new SweepBook(space, code);
    for (const line of lines) this.book.apply(line);
    this.lines.push(...lines, ...this.book.open(this.#timeS));
  }

  get timeS(): number {
    return this.#timeS;
  }

  /** Undefined where nothing begins. */
  take(): Segment | undefined {
    const taken = this.book.take(++this.#timeS);
    this.lines.push(...taken.lines);
    if (taken.kind !== "begin") return undefined;
    this.segments.push(taken.segment);
    return taken.segment;
  }

  end(segment: Segment, end: SegmentEnd): SweepLine[] {
    const lines = this.book.ended(segment, end, ++this.#timeS);
    this.lines.push(...lines);
    return lines;
  }

  /** Until nothing begins any more, one segment after the other. */
  toTheEnd(endOf: (segment: Segment) => SegmentEnd): void {
    for (let segment = this.take(); segment !== undefined; segment = this.take())
      this.end(segment, endOf(segment));
  }

  reasons(): string[] {
    return this.lines.flatMap((line) =>
      line.kind === "decision" ? [`${line.decision}: ${line.reason}`] : [],
    );
  }
}
