/** Distrusts an attack: measures its images again, and shows them to the network afresh. */
import { type AttackName, attackDefinition } from "../../../shared/attacks.js";
import { type Measured, checkPerturbations } from "./perturbation-check.js";
import type { AttackRequest, AttackResult } from "../../../worker/attacks/attack.js";

/** `request` must hold the images and labels as they were before the attack, and the network itself. */
export function verifyAttack(
  name: AttackName,
  request: Omit<AttackRequest, "options">,
  result: Pick<AttackResult, "images" | "broken">,
): Measured {
  const { model, norm, epsilon, images, labels } = request;
  return checkPerturbations({
    norm,
    epsilon,
    imageSize: model.imageSize,
    outputs: model.outputs,
    clean: images,
    labels,
    images: result.images,
    broken: result.broken,
    logits: model.logits(result.images),
    ...(attackDefinition(name).nonsense === true ? { realClasses: model.realClasses } : {}),
  });
}
