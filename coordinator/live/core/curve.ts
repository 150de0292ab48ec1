/** A curve that never holds more than so many points, however long the training: neighbours are merged as it grows. */
import { type CurveSample, MOST_SAMPLES } from "../../../shared/events.js";

export class Curve {
  readonly #most: number;
  readonly points: CurveSample[] = [];
  /** Samples behind each point. */
  #stride = 1;
  #open: CurveSample[] = [];
  /** Grows when earlier points change: whoever holds a copy needs a new one. */
  generation = 0;

  constructor(most = MOST_SAMPLES) {
    this.#most = most;
  }

  /** A step before the newest one takes back what came after it: a lease was lost, or the run resumed. */
  add(sample: CurveSample): void {
    const newest = this.#open.at(-1) ?? this.points.at(-1);
    if (newest !== undefined && sample.step < newest.step) this.#cutTo(sample.step);
    else if (newest?.step === sample.step) return;
    this.#open.push(sample);
    if (this.#open.length < this.#stride) return;
    this.points.push(merged(this.#open));
    this.#open = [];
    if (this.points.length >= this.#most) this.#halve();
  }

  #cutTo(step: number): void {
    this.#open = [];
    const end = this.points.findIndex((point) => point.step >= step);
    if (end < 0) return;
    this.points.length = end;
    this.generation++;
  }

  #halve(): void {
    const pairs = Math.floor(this.points.length / 2);
    for (let i = 0; i < pairs; i++) {
      this.points[i] = merged(this.points.slice(2 * i, 2 * i + 2));
    }
    this.points.length = pairs;
    this.#stride *= 2;
    this.generation++;
  }
}

/** The mean, at the newest step. */
function merged(samples: readonly CurveSample[]): CurveSample {
  const mean = (pick: (sample: CurveSample) => number): number =>
    samples.reduce((sum, sample) => sum + pick(sample), 0) / samples.length;
  return {
    step: samples.at(-1)?.step ?? 0,
    loss: mean(({ loss }) => loss),
    accuracy: mean(({ accuracy }) => accuracy),
  };
}
