/** PGD toward each wrong class in turn, the likeliest first, nonsense classes too. Any wrong answer breaks an image. */
import { crossEntropy, likeliestTargets } from "../core/attack-losses.js";
import { pick } from "../core/perturbation.js";
import type { RunAttack } from "./attack.js";
import { Hunt } from "./hunt.js";
import { ascend, defaultStep } from "./pgd.js";

export const pgdTargeted: RunAttack<"pgd-targeted"> = (request) => {
  const { model, images, labels, epsilon, options } = request;
  const hunt = new Hunt(request);
  const count = options.targets ?? model.outputs - 1;
  const aims = likeliestTargets(hunt.cleanLogits, labels, model.outputs, count);
  for (let restart = 0; restart < options.restarts; restart++) {
    aims.forEach((targets, round) => {
      const rows = hunt.open();
      ascend({
        model,
        ball: hunt.ball,
        clean: images,
        rows,
        images: hunt.randomStarts(rows, restart, { round }),
        steps: options.steps,
        stepSize: options.step_size ?? defaultStep(epsilon, options.steps),
        momentum: 0,
        loss: (walking) => crossEntropy(pick(targets, walking), model.outputs, -1),
        judge: (walking, iterates, logits) => hunt.offer(walking, iterates, logits),
      });
    });
  }
  return hunt.finding();
};
