/**
 * Projected gradient descent from random starts, on any loss: Madry et al. 2018, arXiv:1706.06083; with momentum:
 * Dong et al. 2018, arXiv:1710.06081. An image leaves as soon as one of its iterates breaks it, so with a fixed step
 * size more steps or restarts never find less.
 */
import type { AttackOptions } from "../../shared/attacks.js";
import { type LogitLoss, crossEntropy, margin } from "../core/attack-losses.js";
import { type Ball, pick, project, rowsOf, stepAlong } from "../core/perturbation.js";
import type { SurrogateSlope } from "../engine/program.js";
import type { AttackedModel, RunAttack } from "./attack.js";
import { Hunt } from "./hunt.js";

export type LossName = AttackOptions<"pgd">["loss"];

/** The loss of that name, to be driven up, for images of these classes. */
export function lossNamed(name: LossName, model: AttackedModel, labels: Uint8Array): LogitLoss {
  switch (name) {
    case "cross-entropy":
      return crossEntropy(labels, model.outputs);
    case "margin":
      return margin(labels, model.outputs);
    case "training":
      return model.trainingLoss(labels);
  }
}

/** METHOD.md 4.3: the walk could cross the ball once and a quarter. */
export function defaultStep(epsilon: number, steps: number): number {
  return (2.5 * epsilon) / steps;
}

export interface Ascent {
  model: AttackedModel;
  ball: Ball;
  /** Clean images of all rows. */
  clean: Float32Array;
  /** Which rows walk, and where they start: [rows x imageSize], inside ball and box. Changed in place. */
  rows: Uint32Array;
  images: Float32Array;
  steps: number;
  stepSize: number;
  momentum: number;
  /** The loss of these rows, to be driven up. */
  loss: (rows: Uint32Array) => LogitLoss;
  surrogate?: (step: number) => SurrogateSlope | undefined;
  /** How many times its size the ball has after a row's step, and the step its length. */
  stretch?: (step: number, row: number) => number;
  /**
   * Sees iterate i of row rows[i] with its logits; returns the i that walk on. Called before each step and after the
   * last, with the step's number.
   */
  judge: (rows: Uint32Array, images: Float32Array, logits: Float32Array, step: number) => number[];
}

/** Walks uphill. Returns the images where they ended, of those rows that walked to the end. */
export function ascend(plan: Ascent): { rows: Uint32Array; images: Float32Array } {
  const { model, ball, clean, momentum } = plan;
  const { imageSize } = ball;
  let { rows, images } = plan;
  let direction: Float32Array = new Float32Array(momentum > 0 ? images.length : 0);

  const keep = (walking: number[]): void => {
    if (walking.length === rows.length) return;
    const kept = Uint32Array.from(walking);
    rows = Uint32Array.from(kept, (i) => rows[i]!);
    images = rowsOf(images, kept, imageSize);
    if (momentum > 0) direction = rowsOf(direction, kept, imageSize);
  };

  for (let step = 0; step < plan.steps && rows.length > 0; step++) {
    const found = model.gradient(images, plan.loss(rows), plan.surrogate?.(step));
    const before = rows.length;
    const walking = plan.judge(rows, images, found.logits, step);
    keep(walking);
    const gradient =
      walking.length === before
        ? found.gradient
        : rowsOf(found.gradient, Uint32Array.from(walking), imageSize);
    if (momentum > 0) accumulate(direction, gradient, momentum, imageSize);
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      const stretch = plan.stretch?.(step, row) ?? 1;
      const along = momentum > 0 ? direction : gradient;
      stepAlong(ball.norm, imageSize, along, images, i, stretch * plan.stepSize);
      project(ball, clean, row, images, i, stretch * ball.epsilon);
    }
  }
  if (rows.length > 0) keep(plan.judge(rows, images, model.logits(images), plan.steps));
  return { rows, images };
}

/** direction = momentum · direction + gradient / ‖gradient‖₁, row by row. */
function accumulate(
  direction: Float32Array,
  gradient: Float32Array,
  momentum: number,
  imageSize: number,
): void {
  for (let first = 0; first < gradient.length; first += imageSize) {
    let size = 0;
    for (let p = first; p < first + imageSize; p++) size += Math.abs(gradient[p]!);
    for (let p = first; p < first + imageSize; p++) {
      const share = size > 0 ? gradient[p]! / size : 0;
      direction[p] = momentum * direction[p]! + share;
    }
  }
}

/** Options that PGD shares with its relatives. */
interface Walk {
  steps: number;
  restarts: number;
  step_size?: number | undefined;
  loss: LossName;
  momentum?: number;
  random_start: boolean;
}

/** PGD on the images that still stand. */
export function walkUphill(
  hunt: Hunt,
  options: Walk,
  surrogate?: (step: number) => SurrogateSlope | undefined,
): void {
  const { model, images, labels, epsilon } = hunt.request;
  // Without a random start a second run would be the same.
  const restarts = options.random_start ? options.restarts : 1;
  for (let restart = 0; restart < restarts; restart++) {
    const rows = hunt.open();
    if (rows.length === 0) break;
    ascend({
      model,
      ball: hunt.ball,
      clean: images,
      rows,
      images: options.random_start ? hunt.randomStarts(rows, restart) : rowsOf(images, rows, model.imageSize),
      steps: options.steps,
      stepSize: options.step_size ?? defaultStep(epsilon, options.steps),
      momentum: options.momentum ?? 0,
      loss: (walking) => lossNamed(options.loss, model, pick(labels, walking)),
      ...(surrogate === undefined ? {} : { surrogate }),
      judge: (walking, iterates, logits) => hunt.offer(walking, iterates, logits),
    });
  }
}

export const pgd: RunAttack<"pgd"> = (request) => {
  const hunt = new Hunt(request);
  walkUphill(hunt, request.options);
  return hunt.finding();
};
