/**
 * HopSkipJump: walks along the boundary by answers alone. Chen, Jordan and Wainwright 2020, arXiv:1904.02144. Each image
 * by itself, for what it asks next depends on the answers.
 */
import { answerOf } from "../core/attack-losses.js";
import { distanceBetween } from "../core/perturbation.js";
import type { RandomStream } from "../../shared/random.js";
import type { AttackRequest, RunAttack } from "./attack.js";
import { Hunt } from "./hunt.js";
import { Smallest } from "./smallest.js";

/** Uniform noise images tried as a start before an image is given up. */
const START_DRAWS = 100;
/** Halvings of a step that went back over the boundary. */
const MAX_HALVINGS = 30;
/** Size of the first probes, as a share of the pixel range. */
const FIRST_PROBE = 0.1;
/** More than any budget takes: a round asks 100 times at least. */
const MAX_ROUNDS = 10_000;

/** One image's walk: asks, counts, and knows its clean image. */
class Walk {
  readonly clean: Float32Array;
  readonly #request: AttackRequest;
  readonly #smallest: Smallest;
  readonly #row: number;
  left: number;

  constructor(request: AttackRequest, smallest: Smallest, row: number, queries: number) {
    const { imageSize } = request.model;
    this.#request = request;
    this.#smallest = smallest;
    this.#row = row;
    this.clean = request.images.slice(row * imageSize, (row + 1) * imageSize);
    this.left = queries;
  }

  /** Which of these images are answered wrong; those near enough are remembered. */
  areWrong(images: Float32Array): boolean[] {
    const { model } = this.#request;
    const count = images.length / model.imageSize;
    this.left -= count;
    const rows = new Uint32Array(count).fill(this.#row);
    return this.#smallest.offer(rows, images, model.logits(images));
  }

  isWrong(image: Float32Array): boolean {
    return this.areWrong(image)[0] === true;
  }

  distance(image: Float32Array): number {
    return distanceBetween(this.#request.norm, image.length, image, 0, this.clean, 0);
  }

  /** The clean image moved toward `far`: by this share of the way (L2), or as far as this L∞ ball lets it. */
  between(far: Float32Array, amount: number): Float32Array {
    return Float32Array.from(far, (value, p) => {
      const clean = this.clean[p]!;
      if (this.#request.norm === "l2") return clean + amount * (value - clean);
      return Math.max(clean - amount, Math.min(clean + amount, value));
    });
  }

  /** The last wrong image on the way from a wrong one to the clean one, to this share of the way. */
  toBoundary(far: Float32Array, precision: number): Float32Array {
    let high = this.#request.norm === "l2" ? 1 : this.distance(far);
    let low = 0;
    let nearest = far;
    const resolution = this.#request.norm === "l2" ? precision : Math.min(high * precision, precision);
    for (let round = 0; round < 60 && high - low > resolution && this.left > 0; round++) {
      const middle = (low + high) / 2;
      const image = this.between(far, middle);
      if (this.isWrong(image)) {
        high = middle;
        nearest = image;
      } else low = middle;
    }
    return nearest;
  }
}

export const hopSkipJump: RunAttack<"hop-skip-jump"> = (request) => {
  const { options } = request;
  const hunt = new Hunt(request);
  const smallest = new Smallest(hunt);
  const strangers = strangersOf(request);
  for (const row of hunt.open()) {
    const walk = new Walk(request, smallest, row, options.queries);
    const start = startOf(hunt, walk, strangers, row);
    if (start !== undefined) hop(hunt, walk, start, row, options.initial_queries);
  }
  return smallest.finding();
};

/** The images to start from, with the network's answers. */
function strangersOf({ model, others }: AttackRequest): { images: Float32Array; answers: number[] } {
  if (others === undefined || others.images.length === 0) return { images: new Float32Array(), answers: [] };
  const logits = model.logits(others.images);
  return {
    images: others.images,
    answers: Array.from(others.labels, (_, i) => answerOf(logits, i, model.outputs)),
  };
}

/** The nearest image that the network gives another class, or else the first noise that it does. */
function startOf(
  hunt: Hunt,
  walk: Walk,
  { images, answers }: { images: Float32Array; answers: number[] },
  row: number,
): Float32Array | undefined {
  const { labels, norm, model } = hunt.request;
  const { imageSize } = model;
  let nearest: { k: number; distance: number } | undefined;
  answers.forEach((answer, k) => {
    if (answer === labels[row]) return;
    const distance = distanceBetween(norm, imageSize, images, k, walk.clean, 0);
    if (nearest === undefined || distance < nearest.distance) nearest = { k, distance };
  });
  if (nearest !== undefined) return images.slice(nearest.k * imageSize, (nearest.k + 1) * imageSize);
  const stream = hunt.stream("decision-attack", row, 0);
  for (let draw = 0; draw < START_DRAWS && walk.left > 0; draw++) {
    const noise = Float32Array.from({ length: imageSize }, () => stream.uniform());
    if (walk.isWrong(noise)) return noise;
  }
  return undefined;
}

function hop(hunt: Hunt, walk: Walk, start: Float32Array, row: number, initialQueries: number): void {
  const { norm } = hunt.request;
  const size = start.length;
  const theta = norm === "l2" ? 1 / (Math.sqrt(size) * size) : 1 / size ** 2;
  let current = walk.toBoundary(start, theta);
  for (let round = 1; round < MAX_ROUNDS && walk.left > 0; round++) {
    const distance = walk.distance(current);
    const probe = round === 1 ? FIRST_PROBE : (norm === "l2" ? Math.sqrt(size) : size) * theta * distance;
    const draws = Math.min(Math.round(initialQueries * Math.sqrt(round)), walk.left);
    const stream = hunt.stream("decision-attack", row, 1, round);
    const direction = estimate(walk, current, probe, draws, norm === "linf", stream);
    let length = distance / Math.sqrt(round);
    for (let halving = 0; halving < MAX_HALVINGS && walk.left > 0; halving++) {
      const far = Float32Array.from(current, (value, p) =>
        Math.max(0, Math.min(1, value + length * direction[p]!)),
      );
      if (walk.isWrong(far)) {
        current = walk.toBoundary(far, theta);
        break;
      }
      length /= 2;
    }
  }
}

/** The boundary's normal, from the answers to random probes around a place on it; its sign in L∞. Length 1 in L2. */
function estimate(
  walk: Walk,
  current: Float32Array,
  probe: number,
  draws: number,
  signsOnly: boolean,
  stream: RandomStream,
): Float64Array {
  const size = current.length;
  const probes = new Float32Array(draws * size);
  const ways = new Float32Array(draws * size);
  for (let k = 0; k < draws; k++) {
    let square = 0;
    for (let p = 0; p < size; p++) {
      const value = signsOnly ? 2 * stream.uniform() - 1 : stream.normal();
      ways[k * size + p] = value;
      square += value * value;
    }
    const scale = probe / Math.sqrt(square);
    for (let p = 0; p < size; p++) {
      const here = current[p]!;
      const there = Math.max(0, Math.min(1, here + scale * ways[k * size + p]!));
      probes[k * size + p] = there;
      ways[k * size + p] = (there - here) / probe;
    }
  }
  const answers = walk.areWrong(probes).map((wrong) => (wrong ? 1 : -1));
  const mean = answers.reduce((sum, answer) => sum + answer, 0) / draws;
  const normal = new Float64Array(size);
  answers.forEach((answer, k) => {
    const weight = Math.abs(mean) === 1 ? mean : answer - mean;
    for (let p = 0; p < size; p++) normal[p] = normal[p]! + weight * ways[k * size + p]!;
  });
  if (signsOnly) return normal.map((value) => Math.sign(value));
  const length = Math.sqrt(normal.reduce((sum, value) => sum + value * value, 0));
  return length > 0 ? normal.map((value) => value / length) : normal;
}
