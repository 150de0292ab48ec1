/** Random ±ε changes (in L2: random directions of length ε): what no method at all finds. */
import { project } from "../core/perturbation.js";
import type { RunAttack } from "./attack.js";
import { Hunt } from "./hunt.js";

/** Few images left: several draws of each fill a batch. */
const BATCH = 100;

export const randomSearch: RunAttack<"random-search"> = (request) => {
  const { model, images, norm, epsilon, options } = request;
  const { imageSize } = model;
  const hunt = new Hunt(request);
  const change = new Float32Array(imageSize);
  for (let draw = 0; draw < options.queries;) {
    const open = hunt.open();
    if (open.length === 0) break;
    const draws = Math.min(Math.max(1, Math.floor(BATCH / open.length)), options.queries - draw);
    const rows = Uint32Array.from({ length: open.length * draws }, (_, k) => open[k % open.length]!);
    const candidates = new Float32Array(rows.length * imageSize);
    rows.forEach((row, k) => {
      const stream = hunt.stream("random-search", row, 0, draw + Math.floor(k / open.length));
      let scale = epsilon;
      if (norm === "linf") stream.signs(change);
      else {
        for (let p = 0; p < imageSize; p++) change[p] = stream.normal();
        scale = epsilon / Math.hypot(...change);
      }
      for (let p = 0; p < imageSize; p++)
        candidates[k * imageSize + p] = images[row * imageSize + p]! + scale * change[p]!;
      project(hunt.ball, images, row, candidates, k);
    });
    hunt.offer(rows, candidates, model.logits(candidates));
    draw += draws;
  }
  return hunt.finding();
};
