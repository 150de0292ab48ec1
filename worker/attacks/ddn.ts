/**
 * Decoupled direction and norm: a walk on a sphere round the clean image that shrinks while the network is wrong and
 * grows while it is right. Smallest L2 changes. Rony et al. 2019, arXiv:1811.09600.
 */
import { crossEntropy } from "../core/attack-losses.js";
import { pick, rowsOf, stepAlong } from "../core/perturbation.js";
import type { RunAttack } from "./attack.js";
import { Hunt } from "./hunt.js";
import { Smallest } from "./smallest.js";

/** Length of the last step; the first has 1, between them falls a half cosine. */
const LAST_STEP = 0.01;

export const ddn: RunAttack<"ddn"> = (request) => {
  const { model, images, labels, options } = request;
  const { imageSize } = model;
  const hunt = new Hunt(request);
  const smallest = new Smallest(hunt);
  const rows = hunt.open();
  if (rows.length === 0) return smallest.finding();
  const loss = crossEntropy(pick(labels, rows), model.outputs);
  const current = rowsOf(images, rows, imageSize);
  const radii = new Float64Array(rows.length).fill(options.initial);
  const change = new Float32Array(current.length);
  for (let step = 0; step < options.steps; step++) {
    const found = model.gradient(current, loss);
    const wrong = smallest.offer(rows, current, found.logits);
    const phase = (Math.PI * step) / options.steps;
    const length = LAST_STEP + ((1 - LAST_STEP) * (1 + Math.cos(phase))) / 2;
    rows.forEach((row, i) => {
      stepAlong("l2", imageSize, found.gradient, change, i, length);
      const radius = radii[i]! * (wrong[i] === true ? 1 - options.gamma : 1 + options.gamma);
      radii[i] = radius;
      let square = 0;
      const first = i * imageSize;
      for (let p = first; p < first + imageSize; p++) square += change[p]! ** 2;
      const scale = square > 0 ? radius / Math.sqrt(square) : 0;
      for (let p = 0; p < imageSize; p++) {
        const clean = images[row * imageSize + p]!;
        const moved = Math.fround(clean + scale * change[first + p]!);
        current[first + p] = Math.max(0, Math.min(1, moved));
        change[first + p] = current[first + p]! - clean;
      }
    });
  }
  smallest.offer(rows, current, model.logits(current));
  smallest.refine(rows);
  return smallest.finding();
};
