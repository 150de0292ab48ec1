/** Square attack: random squares, kept where the margin shrinks. Sees outputs only. Andriushchenko et al. 2020, arXiv:1912.00049. */
import { margin } from "../core/attack-losses.js";
import { pick, project, rowsOf } from "../core/perturbation.js";
import { shareAt, sideOf, squareL2, squareLinf, stripes, tiles } from "../core/square-proposals.js";
import type { RunAttack } from "./attack.js";
import { Hunt } from "./hunt.js";

export interface SquareOptions {
  queries: number;
  restarts: number;
  share: number;
}

export function squares(hunt: Hunt, options: SquareOptions): void {
  for (let restart = 0; restart < options.restarts; restart++) search(hunt, options, restart);
}

/** The best change of an image that still stands, and the margin it left: wrong logit over the true one. */
interface Searcher {
  row: number;
  change: Float32Array;
  margin: number;
}

function search(hunt: Hunt, { queries, share }: SquareOptions, restart: number): void {
  const { model, images, labels } = hunt.request;
  const { norm, epsilon, imageSize } = hunt.ball;
  let searchers: Searcher[] = Array.from(hunt.open(), (row) => ({
    row,
    change: new Float32Array(imageSize),
    margin: -Infinity,
  }));
  for (let query = 0; query < queries && searchers.length > 0; query++) {
    const rows = Uint32Array.from(searchers, ({ row }) => row);
    const side = sideOf(model.input, shareAt(query - 1, queries, share), norm === "linf" ? 1 : 3);
    const candidates = rowsOf(images, rows, imageSize);
    const changes = searchers.map(({ row, change }) => {
      const stream = hunt.stream("square-attack", row, restart, query);
      if (query === 0)
        return norm === "linf" ? stripes(model.input, epsilon, stream) : tiles(model.input, epsilon, stream);
      return (norm === "linf" ? squareLinf : squareL2)(model.input, change, epsilon, side, stream);
    });
    changes.forEach((change, i) => {
      const first = i * imageSize;
      for (let p = 0; p < imageSize; p++) candidates[first + p] = candidates[first + p]! + change[p]!;
      project(hunt.ball, images, rows[i]!, candidates, i);
    });
    const logits = model.logits(candidates);
    const loss = margin(pick(labels, rows), model.outputs);
    const scratch = new Float32Array(logits.length);
    searchers.forEach((searcher, i) => {
      const value = loss(logits, i, scratch);
      if (value <= searcher.margin) return;
      searcher.margin = value;
      // What the box left of it: the next proposal starts from what was shown.
      const clean = searcher.row * imageSize;
      searcher.change = Float32Array.from(
        { length: imageSize },
        (_, p) => candidates[i * imageSize + p]! - images[clean + p]!,
      );
    });
    const standing = hunt.offer(rows, candidates, logits);
    searchers = standing.map((i) => searchers[i]!);
  }
}

export const square: RunAttack<"square"> = (request) => {
  const hunt = new Hunt(request);
  squares(hunt, request.options);
  return hunt.finding();
};
