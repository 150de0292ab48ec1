/** What every attack must keep to, whatever the network: ball, box, draws, batches, tensors; and more effort finds more. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type AttackName, attackDefinition, attackNames } from "../../../shared/attacks.js";
import type { Norm } from "../../../shared/results.js";
import type { AttackRequest, AttackResult } from "../../../worker/attacks/attack.js";
import { runAttack } from "../../../worker/attacks/registry.js";
import type { Programs } from "../../../worker/engine/program.js";
import { verifyAttack } from "./verify.js";
import { type Victim, maskedVictim, rightlyAnswered, smallVictim } from "./nets.js";

const COUNT = 7;

/** Options that make a run short. */
const QUICK: Record<AttackName, Record<string, unknown>> = {
  fgsm: { random_start: 0.5, restarts: 2 },
  pgd: { steps: 6, restarts: 2, momentum: 0.5 },
  "pgd-targeted": { steps: 4 },
  "apgd-ce": { steps: 10, restarts: 2 },
  "apgd-dlr": { steps: 10 },
  "apgd-t": { steps: 8 },
  "fab-t": { steps: 5, restarts: 2 },
  ddn: { steps: 20 },
  square: { queries: 40, restarts: 2 },
  "hop-skip-jump": { queries: 250, initial_queries: 20 },
  "random-search": { queries: 30 },
  transfer: { steps: 6, restarts: 2 },
  "surrogate-pgd": { steps: 6, anneal: true },
  "walk-back": { steps: 10, restarts: 2 },
  autoattack: { steps: 6, queries: 30 },
  "nonsense-pgd": { steps: 4 },
};

/** Strengths at which some images of each network break, and some stand. */
const STRENGTH: Record<Norm, number> = { linf: 0.03, l2: 0.15 };

function rows(request: AttackRequest, from: number, to: number): AttackRequest {
  const size = request.model.imageSize;
  return {
    ...request,
    images: request.images.slice(from * size, to * size),
    labels: request.labels.slice(from, to),
    indices: request.indices.slice(from, to),
  };
}

const brokenCount = ({ broken }: AttackResult): number => broken.reduce((sum, value) => sum + value, 0);

export function invariantsSuite(engineName: string, programs: Programs): void {
  const victims: Victim[] = [
    smallVictim(programs, "plain"),
    smallVictim(programs, "mrelu"),
    smallVictim(programs, "rbf", { nonsense: 2 }),
  ];
  const requestOf = ({ model }: Victim, name: AttackName, norm: Norm): AttackRequest => {
    const base = rightlyAnswered(model, COUNT);
    base.labels[2] = ((base.labels[2] as number) + 1) % model.realClasses; // one is wrong to begin with
    return {
      ...base,
      norm,
      epsilon: STRENGTH[norm],
      options: QUICK[name],
      others: rightlyAnswered(model, 12),
      source: (victims[0] as Victim).model,
    };
  };

  for (const name of attackNames()) {
    for (const norm of attackDefinition(name).norms) {
      test(`${engineName}: ${name} (${norm}) stays in ball and box, and says what a fresh look confirms`, () => {
        for (const victim of victims) {
          const request = requestOf(victim, name, norm);
          const before = { images: request.images.slice(), labels: request.labels.slice() };
          const tensors = programs.living().tensors;
          const result = runAttack(name, request);

          assert.deepEqual(verifyAttack(name, request, result).problems, [], victim.program.network.name);
          assert.equal(programs.living().tensors, tensors, "tensors left behind");
          assert.deepEqual({ images: request.images, labels: request.labels }, before, "inputs changed");
          const { nonsense } = attackDefinition(name);
          if (nonsense !== true) assert.equal(result.broken[2], 1, "a wrong answer is broken as it is");
          assert.ok(result.queries > 0);
        }
      });

      test(`${engineName}: ${name} (${norm}) does not depend on the batch, and gives the same bits again`, () => {
        for (const victim of victims) {
          const request = requestOf(victim, name, norm);
          const whole = runAttack(name, request);
          const parts = [runAttack(name, rows(request, 0, 1)), runAttack(name, rows(request, 1, COUNT))];
          assert.deepEqual(
            [...whole.images],
            parts.flatMap(({ images }) => [...images]),
            victim.program.network.name,
          );
          assert.deepEqual(
            [...whole.broken],
            parts.flatMap(({ broken }) => [...broken]),
          );
        }
      });
    }
  }

  /** Less and more effort, where the longer walk begins with the shorter one, or the second run follows the first. */
  const efforts: [AttackName, Record<string, unknown>, Record<string, unknown>][] = [
    ["pgd", { steps: 3, step_size: 0.004 }, { steps: 9, step_size: 0.004 }],
    ["pgd", { steps: 3, restarts: 1 }, { steps: 3, restarts: 6 }],
    ["fgsm", { random_start: 1, restarts: 1 }, { random_start: 1, restarts: 8 }],
    ["pgd-targeted", { steps: 3, targets: 1 }, { steps: 3, targets: 4 }],
    ["apgd-ce", { steps: 5, restarts: 1 }, { steps: 5, restarts: 4 }],
    ["apgd-dlr", { steps: 5, restarts: 1 }, { steps: 5, restarts: 4 }],
    ["apgd-t", { steps: 5, targets: 1 }, { steps: 5, targets: 4 }],
    ["fab-t", { steps: 3, targets: 1 }, { steps: 3, targets: 4 }],
    ["square", { queries: 20, restarts: 1 }, { queries: 20, restarts: 4 }],
    ["random-search", { queries: 10 }, { queries: 100 }],
    ["surrogate-pgd", { steps: 3, restarts: 1 }, { steps: 3, restarts: 4 }],
    ["walk-back", { steps: 4, restarts: 1 }, { steps: 4, restarts: 4 }],
    ["hop-skip-jump", { queries: 60, initial_queries: 20 }, { queries: 600, initial_queries: 20 }],
  ];
  for (const [name, less, more] of efforts) {
    test(`${engineName}: ${name} with ${JSON.stringify(more)} breaks all that ${JSON.stringify(less)} does`, () => {
      for (const victim of victims) {
        for (const strength of [0.3, 1, 3]) {
          const request = requestOf(victim, name, "linf");
          request.epsilon *= strength;
          const weak = runAttack(name, { ...request, options: less });
          const strong = runAttack(name, { ...request, options: more });
          weak.broken.forEach((broken, i) =>
            assert.ok((strong.broken[i] as number) >= broken, `${victim.program.network.name}, image ${i}`),
          );
        }
      }
    });
  }

  test(`${engineName}: the ensemble breaks all that its first member does, and a wider ball no less`, () => {
    for (const victim of victims) {
      const request = requestOf(victim, "autoattack", "linf");
      const first = runAttack("apgd-ce", { ...request, options: { steps: 6 } });
      const ensemble = runAttack("autoattack", request);
      first.broken.forEach((broken, i) => assert.ok((ensemble.broken[i] as number) >= broken));
      const wide = runAttack("autoattack", { ...request, epsilon: 1 });
      assert.ok(brokenCount(wide) >= brokenCount(ensemble), victim.program.network.name);
    }
  });

  test(`${engineName}: surrogate slopes change gradients, never outputs; width 1 and no floor change nothing`, () => {
    const { model } = smallVictim(programs, "mrelu");
    const { images, labels } = rightlyAnswered(model, COUNT);
    const loss = model.trainingLoss(labels);
    const plain = model.gradient(images, loss);
    for (const kind of ["tent", "rbf"] as const) {
      const wide = model.gradient(images, loss, { kind, width: 3, headFloor: 0.1 });
      assert.deepEqual(wide.logits, plain.logits);
      assert.notDeepEqual(wide.gradient, plain.gradient);
    }
    const narrow = model.gradient(images, loss, { kind: "tent", width: 1, headFloor: 0 });
    assert.deepEqual(narrow.gradient, plain.gradient);
  });

  test(`${engineName}: where a unit is flat and gradients vanish, surrogate slopes find what PGD does not`, () => {
    const { model } = maskedVictim(programs);
    const request: AttackRequest = { ...rightlyAnswered(model, COUNT, 0.4), epsilon: 0.11, options: {} };
    const { gradient } = model.gradient(request.images, model.trainingLoss(request.labels));
    assert.ok(gradient.every((value) => value === 0));
    const breaks = (name: AttackName, options: Record<string, unknown>): number =>
      brokenCount(runAttack(name, { ...request, options }));
    assert.equal(breaks("fgsm", {}), 0);
    assert.equal(breaks("pgd", { restarts: 3 }), 0);
    assert.equal(breaks("apgd-ce", {}), 0);
    assert.equal(breaks("surrogate-pgd", { slope: "rbf" }), COUNT);
    assert.equal(breaks("surrogate-pgd", { slope: "tent" }), COUNT);
    assert.equal(breaks("surrogate-pgd", { slope: "tent", width: 6, anneal: true }), COUNT);
  });

  test(`${engineName}: gradients under batch statistics come with the logits of stored ones`, () => {
    const stored = smallVictim(programs, "mrelu").model;
    const batch = smallVictim(programs, "mrelu", { statistics: "batch" }).model;
    const { images, labels } = rightlyAnswered(stored, COUNT);
    const [a, b] = [stored, batch].map((model) => model.gradient(images, model.trainingLoss(labels)));
    assert.deepEqual(b?.logits, a?.logits);
    assert.notDeepEqual(b?.gradient, a?.gradient);
  });
}
