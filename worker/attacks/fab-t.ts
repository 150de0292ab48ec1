/**
 * Targeted FAB: steps to the linearised boundary between the true and a target class, pulled back toward the clean image.
 * Finds small changes whatever ε is. Croce and Hein 2020, arXiv:1907.02044, with its settings.
 */
import { difference, likeliestTargets } from "../core/attack-losses.js";
import { towardHyperplane } from "../core/hyperplane.js";
import { pick, project, randomPlace, rowsOf } from "../core/perturbation.js";
import type { RunAttack } from "./attack.js";
import { Hunt } from "./hunt.js";
import { Smallest } from "./smallest.js";

/** Largest share of the step from the clean image. */
const MOST_PULL = 0.1;
/** How far a step goes beyond the boundary. */
const OVERSHOOT = 1.05;
/** Share of the way from the clean image that is kept once the boundary is crossed. */
const RETREAT = 0.9;

export interface FabOptions {
  steps: number;
  restarts: number;
  targets?: number | undefined;
}

/** Works on the hunt's open images. `within`: an image is left alone once the nearest one found lies in the ball. */
export function fab(hunt: Hunt, smallest: Smallest, options: FabOptions, within: boolean): void {
  const { model, labels } = hunt.request;
  const all = hunt.open();
  const aims = likeliestTargets(
    hunt.cleanLogits,
    labels,
    model.outputs,
    options.targets ?? model.outputs - 1,
  );
  const open = (): Uint32Array =>
    within ? all.filter((row) => !(smallest.distances[row]! <= hunt.ball.epsilon)) : all;
  for (let restart = 0; restart < options.restarts; restart++) {
    aims.forEach((targets, round) => {
      const rows = open();
      if (rows.length === 0) return;
      walk(hunt, smallest, rows, targets, startsOf(hunt, smallest, rows, restart, round), options.steps);
    });
  }
  smallest.refine(open());
}

/** The first run starts at the clean image, others within half the distance known so far. */
function startsOf(
  hunt: Hunt,
  smallest: Smallest,
  rows: Uint32Array,
  restart: number,
  round: number,
): Float32Array {
  const { images } = hunt.request;
  const starts = rowsOf(images, rows, hunt.ball.imageSize);
  if (restart === 0) return starts;
  rows.forEach((row, i) => {
    const radius = Math.min(hunt.ball.epsilon, smallest.distances[row]!) / 2;
    randomPlace(hunt.ball, hunt.stream("attack-start", row, restart, round), starts, i, radius);
    project(hunt.ball, images, row, starts, i, radius);
  });
  return starts;
}

function walk(
  hunt: Hunt,
  smallest: Smallest,
  rows: Uint32Array,
  targets: Uint8Array,
  current: Float32Array,
  steps: number,
): void {
  const { model, images, labels } = hunt.request;
  const { imageSize, norm } = hunt.ball;
  const loss = difference(pick(labels, rows), pick(targets, rows), model.outputs);
  const fromHere = new Float64Array(imageSize);
  const fromClean = new Float64Array(imageSize);
  for (let step = 0; step < steps; step++) {
    const { losses, gradient } = model.gradient(current, loss);
    rows.forEach((row, i) => {
      const here = current.subarray(i * imageSize, (i + 1) * imageSize);
      const clean = images.subarray(row * imageSize, (row + 1) * imageSize);
      const slope = gradient.subarray(i * imageSize, (i + 1) * imageSize);
      const need = -losses[i]!;
      let offset = 0;
      for (let p = 0; p < imageSize; p++) offset += slope[p]! * (clean[p]! - here[p]!);
      const near = towardHyperplane(norm, here, slope, need, fromHere);
      const far = towardHyperplane(norm, clean, slope, need - offset, fromClean);
      const pull = near + far > 0 ? Math.min(near / (near + far), MOST_PULL) : 0;
      for (let p = 0; p < imageSize; p++) {
        const stepped = here[p]! + OVERSHOOT * fromHere[p]!;
        const pulled = clean[p]! + OVERSHOOT * fromClean[p]!;
        here[p] = Math.max(0, Math.min(1, (1 - pull) * stepped + pull * pulled));
      }
    });
    const crossed = smallest.offer(rows, current, model.logits(current));
    rows.forEach((row, i) => {
      if (crossed[i] !== true) return;
      for (let p = 0; p < imageSize; p++) {
        const clean = images[row * imageSize + p]!;
        current[i * imageSize + p] = clean + RETREAT * (current[i * imageSize + p]! - clean);
      }
    });
  }
}

export const fabT: RunAttack<"fab-t"> = (request) => {
  const hunt = new Hunt(request);
  const smallest = new Smallest(hunt);
  fab(hunt, smallest, request.options, false);
  return smallest.finding();
};
