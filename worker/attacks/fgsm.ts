/**
 * Fast gradient sign method, one step of length ε: Goodfellow et al. 2015, arXiv:1412.6572; from a random start: Tramèr
 * et al. 2018, arXiv:1705.07204. In L2 the step goes along the gradient itself.
 */
import { pick, rowsOf } from "../core/perturbation.js";
import type { RunAttack } from "./attack.js";
import { Hunt } from "./hunt.js";
import { ascend, lossNamed } from "./pgd.js";

export const fgsm: RunAttack<"fgsm"> = (request) => {
  const { model, images, labels, epsilon, options } = request;
  const hunt = new Hunt(request);
  for (let restart = 0; restart < options.restarts; restart++) {
    const rows = hunt.open();
    if (rows.length === 0) break;
    ascend({
      model,
      ball: hunt.ball,
      clean: images,
      rows,
      images:
        options.random_start > 0
          ? hunt.randomStarts(rows, restart, { share: options.random_start })
          : rowsOf(images, rows, model.imageSize),
      steps: 1,
      stepSize: epsilon,
      momentum: 0,
      loss: (walking) => lossNamed(options.loss, model, pick(labels, walking)),
      // The start does not count: this attack is the one image that its step leads to.
      judge: (walking, moved, logits, step) =>
        step === 0 ? Array.from(walking, (_, i) => i) : hunt.offer(walking, moved, logits),
    });
    if (options.random_start === 0) break;
  }
  return hunt.finding();
};
