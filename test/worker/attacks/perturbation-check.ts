/** Re-measures what an attack claims, from the images alone: METHOD.md 4.4, item 7. */
import type { Norm } from "../../../shared/results.js";
import { answerOf } from "../../../worker/core/attack-losses.js";
import { distance } from "../../../worker/core/perturbation.js";

export interface Claim {
  norm: Norm;
  epsilon: number;
  imageSize: number;
  outputs: number;
  /** As they were before the attack: [count x imageSize]. */
  clean: Float32Array;
  labels: Uint8Array;
  /** What the attack hands back. */
  images: Float32Array;
  broken: Uint8Array;
  /** Logits of the network shown `images` afresh. */
  logits: Float32Array;
  /** Nonsense attacks: images are broken when the answer is one of the first so many classes. */
  realClasses?: number;
}

export interface Measured {
  linf: Float64Array;
  l2: Float64Array;
  /** Sentences, one for each image that is not what was claimed; empty when all is well. */
  problems: string[];
}

/** A network that answers a tie of logits either way is not an attack's fault: it needs this much between them. */
const TIE = 1e-6;

export function checkPerturbations(claim: Claim): Measured {
  const { imageSize, clean, images, norm, epsilon } = claim;
  const count = claim.broken.length;
  const measured: Measured = {
    linf: Float64Array.from({ length: count }, (_, i) => distance("linf", imageSize, clean, images, i)),
    l2: Float64Array.from({ length: count }, (_, i) => distance("l2", imageSize, clean, images, i)),
    problems: [],
  };
  for (let i = 0; i < count; i++) {
    const size = measured[norm][i] as number;
    // Not `size > epsilon`: a pixel that is not a number is outside, too.
    if (!(size <= epsilon)) measured.problems.push(`image ${i}: ${norm} distance ${size} exceeds ${epsilon}`);
    const outside = images
      .subarray(i * imageSize, (i + 1) * imageSize)
      .findIndex((value) => !(value >= 0 && value <= 1));
    if (outside >= 0) measured.problems.push(`image ${i}: pixel ${outside} is outside [0, 1]`);
    const problem = answerProblem(claim, i);
    if (problem !== undefined) measured.problems.push(`image ${i}: ${problem}`);
  }
  return measured;
}

function answerProblem(claim: Claim, i: number): string | undefined {
  const { logits, outputs, labels, realClasses } = claim;
  const answer = answerOf(logits, i, outputs);
  const isBroken = realClasses === undefined ? answer !== labels[i] : answer < realClasses;
  if (isBroken === (claim.broken[i] === 1) || isTie(logits, i, outputs, answer)) return undefined;
  return claim.broken[i] === 1
    ? `said to be broken, but the answer is ${answer}`
    : `said to stand, but the answer is ${answer}`;
}

function isTie(logits: Float32Array, i: number, outputs: number, answer: number): boolean {
  const best = logits[i * outputs + answer] as number;
  const near = logits
    .subarray(i * outputs, (i + 1) * outputs)
    .filter((value) => best - value <= TIE * Math.max(1, Math.abs(best)));
  return near.length > 1;
}
