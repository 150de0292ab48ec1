/**
 * PGD that walks back over suppressed units and a saturated head as if they still had a slope, for networks whose
 * gradients are masked: the backward-pass approximation of Athalye et al. 2018, arXiv:1802.00420. Outputs are the true ones.
 */
import type { RunAttack } from "./attack.js";
import { Hunt } from "./hunt.js";
import { walkUphill } from "./pgd.js";

export const surrogatePgd: RunAttack<"surrogate-pgd"> = (request) => {
  const { slope, width, head_floor, anneal, steps } = request.options;
  const hunt = new Hunt(request);
  walkUphill(hunt, { ...request.options, random_start: true }, (step) => {
    const left = anneal ? 1 - step / steps : 1;
    return { kind: slope, width: 1 + left * (width - 1), headFloor: left * head_floor };
  });
  return hunt.finding();
};
