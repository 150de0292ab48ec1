/** What a minimal attack has found: per image the nearest one that the network answers wrong, whatever ε is. */
import { answerOf } from "../core/attack-losses.js";
import { distanceBetween } from "../core/perturbation.js";
import type { AttackFinding } from "./attack.js";
import type { Hunt } from "./hunt.js";

/** Halvings of the way between the clean image and the nearest found: 2^-12 of it is left. */
const HALVINGS = 12;

export class Smallest {
  readonly images: Float32Array;
  readonly distances: Float64Array;
  readonly #hunt: Hunt;

  /** To be made of a fresh hunt, or used on its open images only: what is broken already counts as distance 0. */
  constructor(hunt: Hunt) {
    this.#hunt = hunt;
    this.images = hunt.request.images.slice();
    this.distances = Float64Array.from(hunt.broken, (broken) => (broken === 1 ? 0 : Infinity));
  }

  /** Looks at candidate i of image rows[i]. Returns, per candidate, whether it is answered wrong. */
  offer(rows: Uint32Array, candidates: Float32Array, logits: Float32Array): boolean[] {
    const { norm, imageSize } = this.#hunt.ball;
    const { model, images, labels } = this.#hunt.request;
    return Array.from(rows, (row, i) => {
      if (answerOf(logits, i, model.outputs) === labels[row]) return false;
      const distance = distanceBetween(norm, imageSize, candidates, i, images, row);
      if (distance < this.distances[row]!) {
        this.distances[row] = distance;
        this.images.set(candidates.subarray(i * imageSize, (i + 1) * imageSize), row * imageSize);
      }
      return true;
    });
  }

  /** Halves the way back to the clean image again and again, staying on the wrong side. */
  refine(rows: Uint32Array): void {
    const { model, images } = this.#hunt.request;
    const { imageSize } = model;
    const found = rows.filter((row) => Number.isFinite(this.distances[row]) && this.distances[row] !== 0);
    if (found.length === 0) return;
    const far = Float32Array.from({ length: found.length * imageSize });
    found.forEach((row, i) =>
      far.set(this.images.subarray(row * imageSize, (row + 1) * imageSize), i * imageSize),
    );
    const low = new Float64Array(found.length);
    const high = new Float64Array(found.length).fill(1);
    for (let round = 0; round < HALVINGS; round++) {
      const middle = new Float32Array(far.length);
      found.forEach((row, i) => {
        const share = (low[i]! + high[i]!) / 2;
        for (let p = 0; p < imageSize; p++) {
          const clean = images[row * imageSize + p]!;
          middle[i * imageSize + p] = clean + share * (far[i * imageSize + p]! - clean);
        }
      });
      this.offer(found, middle, model.logits(middle)).forEach((wrong, i) => {
        (wrong ? high : low)[i] = (low[i]! + high[i]!) / 2;
      });
    }
  }

  /** Hands to the hunt what lies inside its ball, of images that still stand there. */
  finding(): AttackFinding {
    const { imageSize, epsilon } = this.#hunt.ball;
    this.distances.forEach((distance, row) => {
      if (this.#hunt.broken[row] === 1 || !(distance <= epsilon)) return;
      const [from, to] = [row * imageSize, (row + 1) * imageSize];
      this.#hunt.broken[row] = 1;
      this.#hunt.images.set(this.images.subarray(from, to), from);
    });
    return { ...this.#hunt.finding(), smallest: { images: this.images, distances: this.distances } };
  }
}
