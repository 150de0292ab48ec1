/** Flag A: which weights the adversarial images of a step are made on. METHOD.md 1.10. */
import type { Augmentation } from "../networks/network.js";
import { type StepPlan, stepImages, stepsPerEpoch } from "./schedule.js";

export interface Anchor {
  /** Counts the regenerations, from 1: part of which images are chosen. */
  round: number;
  /** The parameter version: the weights with which the round's epoch began. */
  version: number;
}

/** Undefined in the first epoch, and for networks without flag A. */
export function anchorOf(
  plan: StepPlan,
  { adversarial }: Pick<Augmentation, "adversarial">,
  step: number,
): Anchor | undefined {
  if (adversarial === undefined) return undefined;
  const { epoch } = stepImages(plan, step);
  if (epoch === 0) return undefined;
  const round = Math.min(epoch, adversarial.rounds ?? epoch);
  return { round, version: round * stepsPerEpoch(plan) };
}
