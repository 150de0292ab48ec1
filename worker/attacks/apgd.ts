/**
 * Auto-PGD: a walk that halves its own steps where they stop paying. Croce and Hein 2020, arXiv:2003.01690, section 3;
 * with cross-entropy, the difference of logits ratio, or its targeted form.
 */
import {
  type LogitLoss,
  crossEntropy,
  likeliestTargets,
  logitsRatio,
  targetedLogitsRatio,
} from "../core/attack-losses.js";
import { type Ball, pick, project, rowsOf, stepAlong } from "../core/perturbation.js";
import type { ImageGradients, RunAttack } from "./attack.js";
import { Hunt } from "./hunt.js";

/** Share of the new step in the next move; the rest keeps the last move's direction. */
const FRESH = 0.75;
/** A stretch in which fewer steps than this share raised the loss was too fast. */
const PAYING = 0.75;

/** After which steps the step size is looked at: a first stretch of 22 %, each next one 3 points shorter, 6 % at least. */
export function checkpoints(steps: number): Set<number> {
  const found = new Set<number>();
  let [before, at] = [0, 0.22];
  // Of 100 steps in hundredths; the small term keeps 0.22 + 0.19 from rounding up to one step more.
  for (let guard = 0; guard < 20 && at <= 1; guard++) {
    found.add(Math.ceil(at * steps - 1e-9));
    [before, at] = [at, at + Math.max(at - before - 0.03, 0.06)];
  }
  return found;
}

/** One image's walk. Arrays are views of one row each. */
interface Walker {
  row: number;
  /** Step size, halved on the way. */
  size: number;
  value: number;
  best: number;
  /** Steps since the last checkpoint, and those of them that raised the loss. */
  taken: number;
  raised: number;
  halvedBefore: boolean;
  bestBefore: number;
  bestImage: Float32Array;
  bestGradient: Float32Array;
}

/** Walks from `images` [rows x imageSize]; what breaks is kept by the hunt. */
export function autoPgd(
  hunt: Hunt,
  rows: Uint32Array,
  images: Float32Array,
  steps: number,
  loss: (rows: Uint32Array) => LogitLoss,
): void {
  const { model, images: clean } = hunt.request;
  const { ball } = hunt;
  const { imageSize } = ball;
  const stops = checkpoints(steps);
  if (rows.length === 0) return;

  let found = model.gradient(images, loss(rows));
  let current = images;
  let previous = images;
  let gradient = found.gradient;
  let walkers = Array.from(rows, (row, i) => walkerAt(row, i, 2 * ball.epsilon, found, images));
  /** Drops the walkers that broke their image. */
  const keep = (standing: number[]): void => {
    if (standing.length === walkers.length) return;
    const kept = Uint32Array.from(standing);
    walkers = standing.map((i) => walkers[i]!);
    current = rowsOf(current, kept, imageSize);
    previous = rowsOf(previous, kept, imageSize);
    gradient = rowsOf(gradient, kept, imageSize);
  };
  const rowsNow = (): Uint32Array => Uint32Array.from(walkers, ({ row }) => row);
  keep(hunt.offer(rowsNow(), current, found.logits));

  for (let step = 1; step <= steps && walkers.length > 0; step++) {
    const before = step === 1 ? undefined : previous;
    previous = current;
    current = stride(ball, clean, walkers, { gradient, current, before });
    if (step === steps) {
      hunt.offer(rowsNow(), current, model.logits(current));
      return;
    }
    found = model.gradient(current, loss(rowsNow()));
    gradient = found.gradient;
    const losses = found.losses;
    walkers.forEach((walker, i) => note(walker, losses[i]!, current, gradient, i, imageSize));
    keep(hunt.offer(rowsNow(), current, found.logits));
    if (stops.has(step)) walkers.forEach((walker, i) => look(walker, current, gradient, i, imageSize));
  }
}

/** A walker at image i of `images`, as it sets out. */
function walkerAt(
  row: number,
  i: number,
  size: number,
  { losses, gradient }: ImageGradients,
  images: Float32Array,
): Walker {
  const value = losses[i]!;
  const imageSize = gradient.length / losses.length;
  return {
    row,
    size,
    value,
    best: value,
    taken: 0,
    raised: 0,
    halvedBefore: true,
    bestBefore: value,
    bestImage: images.slice(i * imageSize, (i + 1) * imageSize),
    bestGradient: gradient.slice(i * imageSize, (i + 1) * imageSize),
  };
}

/** Where a step leads: along the gradient and, unless it is the first, on in the direction of the one before. */
function stride(
  ball: Ball,
  clean: Float32Array,
  walkers: readonly Walker[],
  {
    gradient,
    current,
    before,
  }: { gradient: Float32Array; current: Float32Array; before: Float32Array | undefined },
): Float32Array {
  const { imageSize } = ball;
  const next = current.slice();
  walkers.forEach(({ row, size }, i) => {
    stepAlong(ball.norm, imageSize, gradient, next, i, size);
    project(ball, clean, row, next, i);
    if (before === undefined) return;
    for (let p = i * imageSize; p < (i + 1) * imageSize; p++) {
      const here = current[p]!;
      next[p] = here + FRESH * (next[p]! - here) + (1 - FRESH) * (here - before[p]!);
    }
    project(ball, clean, row, next, i);
  });
  return next;
}

function note(
  walker: Walker,
  value: number,
  current: Float32Array,
  gradient: Float32Array,
  i: number,
  imageSize: number,
): void {
  walker.taken++;
  if (value > walker.value) walker.raised++;
  walker.value = value;
  if (value <= walker.best) return;
  walker.best = value;
  walker.bestImage.set(current.subarray(i * imageSize, (i + 1) * imageSize));
  walker.bestGradient.set(gradient.subarray(i * imageSize, (i + 1) * imageSize));
}

/** At a checkpoint: steps that did not pay are halved, and the walk goes on from its best place. */
function look(
  walker: Walker,
  current: Float32Array,
  gradient: Float32Array,
  i: number,
  imageSize: number,
): void {
  const tooFast = walker.raised < PAYING * walker.taken;
  const stuck = !walker.halvedBefore && walker.best <= walker.bestBefore;
  walker.halvedBefore = tooFast || stuck;
  if (walker.halvedBefore) {
    walker.size /= 2;
    current.set(walker.bestImage, i * imageSize);
    gradient.set(walker.bestGradient, i * imageSize);
    walker.value = walker.best;
  }
  walker.taken = 0;
  walker.raised = 0;
  walker.bestBefore = walker.best;
}

export interface AutoPgdOptions {
  steps: number;
  restarts: number;
}

/** APGD from random starts on the images that still stand. */
export function untargeted(hunt: Hunt, kind: "cross-entropy" | "ratio", options: AutoPgdOptions): void {
  const { model, labels } = hunt.request;
  const loss = kind === "ratio" ? logitsRatio : crossEntropy;
  for (let restart = 0; restart < options.restarts; restart++) {
    const rows = hunt.open();
    autoPgd(hunt, rows, hunt.randomStarts(rows, restart), options.steps, (walking) =>
      loss(pick(labels, walking), model.outputs),
    );
  }
}

/** APGD on the targeted ratio, toward the likeliest wrong classes in turn. */
export function targeted(hunt: Hunt, options: AutoPgdOptions & { targets?: number | undefined }): void {
  const { model, labels } = hunt.request;
  const aims = likeliestTargets(
    hunt.cleanLogits,
    labels,
    model.outputs,
    options.targets ?? model.outputs - 1,
  );
  for (let restart = 0; restart < options.restarts; restart++) {
    aims.forEach((targets, round) => {
      const rows = hunt.open();
      autoPgd(hunt, rows, hunt.randomStarts(rows, restart, { round }), options.steps, (walking) =>
        targetedLogitsRatio(pick(labels, walking), pick(targets, walking), model.outputs),
      );
    });
  }
}

export const apgdCe: RunAttack<"apgd-ce"> = (request) => {
  const hunt = new Hunt(request);
  untargeted(hunt, "cross-entropy", request.options);
  return hunt.finding();
};

export const apgdDlr: RunAttack<"apgd-dlr"> = (request) => {
  const hunt = new Hunt(request);
  untargeted(hunt, "ratio", request.options);
  return hunt.finding();
};

export const apgdT: RunAttack<"apgd-t"> = (request) => {
  const hunt = new Hunt(request);
  targeted(hunt, request.options);
  return hunt.finding();
};
