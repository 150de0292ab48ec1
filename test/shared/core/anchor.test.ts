import assert from "node:assert/strict";
import { test } from "node:test";
import { anchorOf } from "../../../shared/core/anchor.js";
import type { StepPlan } from "../../../shared/core/schedule.js";

/** Three steps an epoch. */
const plan: StepPlan = { images: 25, batchSize: 10, slots: 1, epochs: 9 };
const adversarial = { epsilon: 1, share: 0.5 };
const versions = (rounds?: number): (number | undefined)[] =>
  Array.from(
    { length: 12 },
    (_, step) =>
      anchorOf(plan, { adversarial: { ...adversarial, ...(rounds === undefined ? {} : { rounds }) } }, step)
        ?.version,
  );
const none = [undefined, undefined, undefined];

test("from the second epoch on a step attacks the weights with which its epoch began", () => {
  assert.deepEqual(versions(), [...none, 3, 3, 3, 6, 6, 6, 9, 9, 9]);
});

test("after the last round the weights stay", () => {
  assert.deepEqual(versions(1), [...none, 3, 3, 3, 3, 3, 3, 3, 3, 3]);
  assert.deepEqual(versions(2), [...none, 3, 3, 3, 6, 6, 6, 6, 6, 6]);
  assert.equal(anchorOf(plan, { adversarial: { ...adversarial, rounds: 2 } }, 11)?.round, 2);
});

test("without flag A there are none", () => {
  for (let step = 0; step < 12; step++) assert.equal(anchorOf(plan, {}, step), undefined);
});
