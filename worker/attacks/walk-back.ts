/**
 * PGD that starts from an image of another class, where the network is wrong already: the ball shrinks from that image's
 * distance to ε while the walk keeps the answer wrong.
 */
import { ClusterError } from "../../shared/errors.js";
import { distanceBetween, pick } from "../core/perturbation.js";
import type { RunAttack } from "./attack.js";
import { Hunt } from "./hunt.js";
import { ascend, defaultStep, lossNamed } from "./pgd.js";

export const walkBack: RunAttack<"walk-back"> = (request) => {
  const { model, images, labels, epsilon, norm, others, options } = request;
  const { imageSize } = model;
  if (others === undefined) throw new ClusterError("config", 'Attack "walk-back" needs images to start from');
  const hunt = new Hunt(request);
  if (epsilon === 0) return hunt.finding();
  const shrinking = Math.max(1, Math.round(options.walk * options.steps));
  for (let restart = 0; restart < options.restarts; restart++) {
    const rows = hunt.open().filter((row) => others.labels.some((label) => label !== labels[row]));
    if (rows.length === 0) break;
    const starts = new Float32Array(rows.length * imageSize);
    const distances = new Map<number, number>();
    rows.forEach((row, i) => {
      const stream = hunt.stream("attack-start", row, restart);
      const strangers = [...others.labels.keys()].filter((k) => others.labels[k] !== labels[row]);
      const k = strangers[stream.below(strangers.length)]!;
      starts.set(others.images.subarray(k * imageSize, (k + 1) * imageSize), i * imageSize);
      distances.set(row, distanceBetween(norm, imageSize, starts, i, images, row));
    });
    ascend({
      model,
      ball: hunt.ball,
      clean: images,
      rows,
      images: starts,
      steps: options.steps,
      stepSize: options.step_size ?? defaultStep(epsilon, Math.max(1, options.steps - shrinking)),
      momentum: 0,
      loss: (walking) => lossNamed(options.loss, model, pick(labels, walking)),
      stretch: (step, row) => {
        const left = Math.max(0, 1 - (step + 1) / shrinking);
        return Math.max(1, distances.get(row)! / epsilon) ** left;
      },
      // Images outside the ball do not count.
      judge: (walking, iterates, logits, step) =>
        step < shrinking ? Array.from(walking, (_, i) => i) : hunt.offer(walking, iterates, logits),
    });
  }
  return hunt.finding();
};
