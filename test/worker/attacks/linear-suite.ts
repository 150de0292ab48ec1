/**
 * Every attack on a linear network, where the distance d of each image to its nearest wrong answer is known by algebra: no
 * attack may break an image with less, and the good ones must with little more.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type AttackName, attackDefinition, attackNames } from "../../../shared/attacks.js";
import { runAttack } from "../../../worker/attacks/registry.js";
import type { Programs } from "../../../worker/engine/program.js";
import { linearDistances, linearVictim, rightlyAnswered } from "./nets.js";

/** Pixels start at least so far from the box that it does not matter at the distances below. */
const LOW = 0.35;
const COUNT = 6;

/** An image must break once ε exceeds its d by `factor`: what the method can promise on a linear network. */
interface Expectation {
  options?: Record<string, unknown>;
  linf?: number;
  l2?: number;
}

/**
 * With two classes the gradient points straight across: one L∞ step suffices (1.001 leaves room for float32), an L2 walk
 * from a random start keeps some of its sideways part, (1 + step / ε)^-steps of it. With five,
 * the margin follows the rival that was nearest at the start, and cross-entropy a mixture of all of them, so neither need
 * find the nearest boundary; FAB and targeted APGD try each. Queries see outputs or answers alone, and pay for it.
 * No entry: the loss needs more outputs, or there is no true class.
 */
const TWO: Partial<Record<AttackName, Expectation>> = {
  fgsm: { linf: 1.001, l2: 1.001 },
  pgd: { linf: 1.001, l2: 1.02 },
  "pgd-targeted": { linf: 1.001, l2: 1.02 },
  "apgd-ce": { linf: 1.001, l2: 1.001 },
  "fab-t": { options: { steps: 10 }, linf: 1.002, l2: 1.002 },
  ddn: { options: { steps: 100 }, l2: 1.02 },
  square: { options: { queries: 800 }, linf: 1.05, l2: 2 },
  "hop-skip-jump": { options: { queries: 1500 }, linf: 1.5, l2: 1.3 },
  "random-search": { options: { queries: 500 }, linf: 5, l2: 5 },
  transfer: { options: { steps: 40 }, linf: 1.001, l2: 1.02 },
  "surrogate-pgd": { options: { steps: 40 }, linf: 1.001, l2: 1.02 },
  "walk-back": { options: { steps: 60 }, linf: 1.001, l2: 1.02 },
};
const FIVE: Partial<Record<AttackName, Expectation>> = {
  fgsm: { linf: 2, l2: 2 },
  pgd: { options: { loss: "margin" }, linf: 1.2, l2: 1.5 },
  "pgd-targeted": { linf: 2, l2: 2 },
  "apgd-ce": { options: { steps: 50 }, linf: 1.3, l2: 1.3 },
  "apgd-dlr": { options: { steps: 50 }, linf: 1.3, l2: 1.3 },
  "apgd-t": { options: { steps: 50 }, linf: 1.02, l2: 1.02 },
  "fab-t": { options: { steps: 10 }, linf: 1.002, l2: 1.002 },
  ddn: { options: { steps: 100 }, l2: 1.5 },
  square: { options: { queries: 800 }, linf: 1.1, l2: 2 },
  "hop-skip-jump": { options: { queries: 1500 }, linf: 2, l2: 2 },
  "random-search": { options: { queries: 500 }, linf: 5, l2: 5 },
  transfer: { options: { loss: "margin", steps: 40 }, linf: 1.2, l2: 1.5 },
  "surrogate-pgd": { options: { steps: 40 }, linf: 1.2, l2: 1.5 },
  "walk-back": { options: { steps: 60 }, linf: 1.5, l2: 1.5 },
  autoattack: { options: { steps: 30, queries: 100 }, linf: 1.02, l2: 1.02 },
};

export function linearSuite(engineName: string, programs: Programs): void {
  for (const [outputs, expectations] of [
    [2, TWO],
    [5, FIVE],
  ] as const) {
    const victim = linearVictim(programs, outputs);
    const { model } = victim;
    const base = rightlyAnswered(model, COUNT, LOW);
    const others = rightlyAnswered({ ...model, outputs }, 40);
    for (const name of attackNames()) {
      for (const norm of attackDefinition(name).norms) {
        const { options, [norm]: factor } = expectations[name] ?? {};
        if (factor === undefined) continue;
        const distances = linearDistances(victim, base, norm);
        const runAt = (epsilonOf: (d: number) => number) =>
          distances.map((d, i) => {
            const request = {
              ...base,
              images: base.images.slice(i * model.imageSize, (i + 1) * model.imageSize),
              labels: base.labels.slice(i, i + 1),
              indices: base.indices.slice(i, i + 1),
              norm,
              epsilon: epsilonOf(d),
              options,
              others,
              source: model,
            };
            return runAttack(name, request).broken[0] as number;
          });

        test(`${engineName}: ${name} (${norm}) on a linear network of ${outputs} classes breaks what algebra says`, () => {
          assert.deepEqual(
            [...runAt((d) => 0.999 * d)],
            new Array(COUNT).fill(0),
            "broken inside the distance",
          );
          assert.deepEqual(
            [...runAt((d) => factor * d)],
            new Array(COUNT).fill(1),
            `not broken at ${factor} times the distance`,
          );
        });
      }
    }
  }
}
