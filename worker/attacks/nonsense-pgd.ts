/**
 * PGD that makes images of nothing look like each real class in turn: METHOD.md 4.3, item 12. Keeps, per image, the one
 * that a real class is claimed for with most confidence. With ε = 1 (L∞) only the box holds it.
 */
import { answerOf, crossEntropy } from "../core/attack-losses.js";
import { rowsOf } from "../core/perturbation.js";
import type { AttackedModel, RunAttack } from "./attack.js";
import { Hunt } from "./hunt.js";
import { ascend, defaultStep } from "./pgd.js";

/** How much an image looks like something: 1 + confidence where a real class is the answer, else the best real one's. */
function claim(model: AttackedModel, logits: Float32Array, i: number): number {
  const answer = answerOf(logits, i, model.outputs);
  if (answer < model.realClasses) return 1 + model.confidence(logits, i, answer);
  const best = answerOf(
    logits.slice(i * model.outputs, i * model.outputs + model.realClasses),
    0,
    model.realClasses,
  );
  return model.confidence(logits, i, best);
}

export const nonsensePgd: RunAttack<"nonsense-pgd"> = (request) => {
  const { model, images, epsilon, options } = request;
  const { imageSize, realClasses } = model;
  const count = request.indices.length;
  const hunt = new Hunt(request);
  const best = images.slice();
  const claims = Float64Array.from({ length: count }, (_, i) => claim(model, hunt.cleanLogits, i));
  const rows = Uint32Array.from({ length: count }, (_, i) => i);
  for (let target = 0; target < realClasses; target++) {
    ascend({
      model,
      ball: hunt.ball,
      clean: images,
      rows,
      images: options.random_start
        ? hunt.randomStarts(rows, 0, { round: target })
        : rowsOf(images, rows, imageSize),
      steps: options.steps,
      stepSize: options.step_size ?? defaultStep(epsilon, options.steps),
      momentum: 0,
      loss: (walking) => crossEntropy(new Uint8Array(walking.length).fill(target), model.outputs, -1),
      judge: (walking, iterates, logits) =>
        Array.from(walking, (row, i) => {
          const value = claim(model, logits, i);
          if (value > claims[row]!) {
            claims[row] = value;
            best.set(iterates.subarray(i * imageSize, (i + 1) * imageSize), row * imageSize);
          }
          return i;
        }),
    });
  }
  return {
    images: best,
    broken: Uint8Array.from(claims, (value) => Number(value > 1)),
    confidences: Float64Array.from(claims, (value) => Math.max(0, value - 1)),
  };
};
