/**
 * Images crafted by PGD on another network, shown to this one once each: Papernot et al. 2016, arXiv:1605.07277. With
 * momentum they carry over better: Dong et al. 2018, arXiv:1710.06081.
 */
import { ClusterError } from "../../shared/errors.js";
import { pick, rowsOf } from "../core/perturbation.js";
import type { RunAttack } from "./attack.js";
import { Hunt } from "./hunt.js";
import { ascend, defaultStep, lossNamed } from "./pgd.js";

export const transfer: RunAttack<"transfer"> = (request) => {
  const { model, source, images, labels, epsilon, options } = request;
  if (source === undefined)
    throw new ClusterError("config", 'Attack "transfer" needs a source network to craft on');
  const hunt = new Hunt(request);
  const restarts = options.random_start ? options.restarts : 1;
  for (let restart = 0; restart < restarts; restart++) {
    const rows = hunt.open();
    if (rows.length === 0) break;
    const crafted = ascend({
      model: source,
      ball: hunt.ball,
      clean: images,
      rows,
      images: options.random_start ? hunt.randomStarts(rows, restart) : rowsOf(images, rows, model.imageSize),
      steps: options.steps,
      stepSize: options.step_size ?? defaultStep(epsilon, options.steps),
      momentum: options.momentum,
      loss: (walking) => lossNamed(options.loss, source, pick(labels, walking)),
      // The network under attack is not asked on the way.
      judge: (walking) => Array.from(walking, (_, i) => i),
    });
    hunt.offer(crafted.rows, crafted.images, model.logits(crafted.images));
  }
  return hunt.finding();
};
