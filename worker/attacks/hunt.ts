/** What an attack has found so far: per image the first one inside ball and box that the network answers wrong. */
import { answerOf } from "../core/attack-losses.js";
import { type Ball, project, randomPlace } from "../core/perturbation.js";
import { type Purpose, RandomStream } from "../../shared/random.js";
import type { AttackFinding, AttackRequest } from "./attack.js";

/** Restarts and iterations share a word of the stream's name. */
const MAX_ITERATIONS = 2 ** 20;

export class Hunt {
  readonly request: AttackRequest;
  readonly ball: Ball;
  readonly count: number;
  readonly images: Float32Array;
  readonly broken: Uint8Array;
  /** Logits of the clean images. */
  readonly cleanLogits: Float32Array;

  /** Shows the clean images: those that are answered wrong are broken as they are. */
  constructor(request: AttackRequest) {
    const { model, images, norm, epsilon } = request;
    this.request = request;
    this.ball = { norm, epsilon, imageSize: model.imageSize };
    this.count = images.length / model.imageSize;
    this.images = images.slice();
    this.broken = new Uint8Array(this.count);
    this.cleanLogits = model.logits(images);
    for (let i = 0; i < this.count; i++) {
      if (answerOf(this.cleanLogits, i, model.outputs) !== request.labels[i]) this.broken[i] = 1;
    }
  }

  /** Rows of the images that still stand. */
  open(): Uint32Array {
    const rows: number[] = [];
    this.broken.forEach((broken, i) => broken === 0 && rows.push(i));
    return Uint32Array.from(rows);
  }

  /** Looks at candidate i of image rows[i], by its logits; keeps those that break. Returns the i that still stand. */
  offer(rows: Uint32Array, candidates: Float32Array, logits: Float32Array): number[] {
    const { imageSize, outputs } = this.request.model;
    const standing: number[] = [];
    rows.forEach((row, i) => {
      if (this.broken[row] === 0 && answerOf(logits, i, outputs) !== this.request.labels[row]) {
        this.broken[row] = 1;
        this.images.set(candidates.subarray(i * imageSize, (i + 1) * imageSize), row * imageSize);
      }
      if (this.broken[row] === 0) standing.push(i);
    });
    return standing;
  }

  /** The stream of draws for an image's restart and iteration. */
  stream(purpose: Purpose, row: number, restart: number, iteration = 0): RandomStream {
    const { seed, indices } = this.request;
    return new RandomStream(seed, purpose, indices[row], restart * MAX_ITERATIONS + iteration);
  }

  /** Copies of the clean images of these rows, moved to random places in ball and box; `round` tells targets apart. */
  randomStarts(rows: Uint32Array, restart: number, { share = 1, round = 0 } = {}): Float32Array {
    const { imageSize } = this.ball;
    const starts = new Float32Array(rows.length * imageSize);
    rows.forEach((row, i) => {
      starts.set(this.request.images.subarray(row * imageSize, (row + 1) * imageSize), i * imageSize);
      const stream = this.stream("attack-start", row, restart, round);
      randomPlace(this.ball, stream, starts, i, share * this.ball.epsilon);
      project(this.ball, this.request.images, row, starts, i);
    });
    return starts;
  }

  finding(): AttackFinding {
    return { images: this.images, broken: this.broken };
  }
}
