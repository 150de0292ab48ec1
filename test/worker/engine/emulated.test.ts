import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Layout, TAIL, initialParameters } from "../../../shared/core/layout.js";
import { layoutOf } from "../../../shared/networks/network.js";
import { networkNamed } from "../../../shared/networks/registry.js";
import { withSettings } from "../../../shared/networks/settings.js";
import { EmulatedPrograms } from "../../../worker/engine/emulated/programs.js";
import type { Program, SlotIdentity } from "../../../worker/engine/program.js";
import { attackedModel } from "../../../worker/attacks/attacked-model.js";

const network = networkNamed("mnist", "mrelu-r-m");
const layout: Layout = layoutOf(network);
const parameters = initialParameters(layout, 7);

/** A clock that only waiting moves; a wait may end early, as real ones do. */
function programsOf(
  slotMs = 0,
  early = 0,
): { programs: EmulatedPrograms; waited: number[]; now: () => number } {
  let nowMs = 0;
  const waited: number[] = [];
  const wait = (ms: number): void => {
    waited.push(ms);
    nowMs += Math.max(1, ms - early);
  };
  return { programs: new EmulatedPrograms({ slotMs, now: () => nowMs, wait }), waited, now: () => nowMs };
}

function pushOf(program: Program, slot: SlotIdentity): Float32Array {
  const push = new Float32Array(layout.pushSize);
  const times = new Uint8Array(layout.pushSize);
  program.trainUnseen?.(slot, {
    add(offset, values) {
      push.set(values, offset);
      for (let i = 0; i < values.length; i++) times[offset + i]!++;
    },
  });
  assert.ok(
    times.every((count) => count === 1),
    "a value came twice, or never",
  );
  return push;
}

const slot: SlotIdentity = { seed: 3, step: 5, indices: Uint32Array.of(10, 11, 12) };

function loaded(values: Float32Array = parameters): Program {
  const program = programsOf().programs.create(network, layout);
  program.load(values);
  return program;
}

test("a slot's push is whole numbers whose sums are exact in any order, and its images are counted", () => {
  const push = pushOf(loaded(), slot);
  const gradient = push.subarray(0, layout.size);
  assert.ok(gradient.every((value) => Number.isInteger(value) && Math.abs(value) <= 31));
  // 1,024 slots are the most that a step may have.
  assert.ok(1024 * 31 < 2 ** 24);
  assert.ok(gradient.some((value) => value !== 0));
  assert.equal(push[layout.size + TAIL.samples], 3);
  const hits = push[layout.size + TAIL.hits]!;
  assert.ok(Number.isInteger(hits) && hits >= 0 && hits <= 3);
});

test("a network of one channel everywhere is emulated as any", () => {
  const tiny = withSettings(network, { channels: [1, 1, 1], activation_width: 2 });
  const tinyLayout = layoutOf(tiny);
  const program = programsOf().programs.create(tiny, tinyLayout);
  program.load(initialParameters(tinyLayout, 7));
  let pushed = 0;
  program.trainUnseen?.(slot, { add: (_offset, values) => (pushed += values.length) });
  assert.equal(pushed, tinyLayout.pushSize);
  const images = new Float32Array(2 * 784);
  assert.equal(program.predict(images).length, 2 * 12);
  assert.deepEqual(
    program.features(images).map((values) => values.length / 2),
    [24 * 24, 8 * 8, 1],
  );
});

test("another engine of the same kind computes the same bits; other weights, steps, seeds or images compute others", () => {
  const expected = pushOf(loaded(), slot);
  assert.deepEqual(pushOf(loaded(), { ...slot, indices: slot.indices.slice() }), expected);
  const bent = parameters.slice();
  new Uint32Array(bent.buffer)[100_000]! ^= 1;
  const others: [string, Program, SlotIdentity][] = [
    ["one bit of the weights", loaded(bent), slot],
    ["the step", loaded(), { ...slot, step: 6 }],
    ["the seed", loaded(), { ...slot, seed: 4 }],
    ["an image lost", loaded(), { ...slot, indices: Uint32Array.of(10, 11) }],
    ["an image repeated", loaded(), { ...slot, indices: Uint32Array.of(10, 11, 11) }],
    ["two images in another order", loaded(), { ...slot, indices: Uint32Array.of(10, 12, 11) }],
    ["an image of another slot", loaded(), { ...slot, indices: Uint32Array.of(10, 11, 13) }],
  ];
  for (const [what, program, changed] of others)
    assert.notDeepEqual(pushOf(program, changed), expected, what);
});

test("the sum of a step depends on every image of it", () => {
  const program = loaded();
  const sumOf = (slots: number[][]): Float32Array => {
    const sum = new Float32Array(layout.pushSize);
    for (const indices of slots)
      pushOf(program, { ...slot, indices: Uint32Array.from(indices) }).forEach(
        (value, i) => (sum[i]! += value),
      );
    return sum;
  };
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 0, max: 59_999 }), { minLength: 4, maxLength: 4 }),
      fc.integer({ min: 0, max: 59_999 }),
      ([a = 0, b = 0, c = 0, d = 0], other) => {
        fc.pre(![a, b, c, d].includes(other));
        const right = sumOf([
          [a, b],
          [c, d],
        ]);
        assert.deepEqual(
          sumOf([
            [c, d],
            [a, b],
          ]),
          right,
        );
        assert.notDeepEqual(
          sumOf([
            [a, b],
            [c, other],
          ]),
          right,
        );
        assert.notDeepEqual(
          sumOf([
            [a, c],
            [b, d],
          ]),
          right,
        );
      },
    ),
    { numRuns: 10 },
  );
});

test("a slot takes its time by waiting, also where a wait ends early, and nothing is known before", () => {
  const { programs, now, waited } = programsOf(50, 20);
  const program = programs.create(network, layout);
  program.load(parameters);
  let first: number | undefined;
  program.trainUnseen?.(slot, { add: () => void (first ??= now()) });
  assert.ok(first !== undefined && first >= 50 && first < 51, `the first values came at ${first} ms`);
  assert.ok(waited.length > 1);
});

test("its self-test passes, and it holds no tensors", () => {
  const { programs } = programsOf();
  assert.deepEqual(
    programs.selfTest().checks.filter(({ passed }) => !passed),
    [],
  );
  assert.ok(programs.selfTest().passed);
  assert.deepEqual(programs.living(), { tensors: 0, tensorBytes: 0 });
  assert.equal(programs.info.name, "emulated");
});

test("an image gets the same answer and the same gradient whoever shares its batch", () => {
  const model = attackedModel(loaded(), new Float32Array(784).fill(33));
  const images = new Float32Array(3 * 784).map((_, i) => ((i * 37) % 256) / 255);
  const together = model.logits(images);
  const alone = model.logits(images.subarray(784, 2 * 784));
  assert.deepEqual(alone, together.slice(model.outputs, 2 * model.outputs));
  const labels = Uint8Array.of(1, 2, 3);
  const { gradient } = model.gradient(images, model.trainingLoss(labels));
  const one = model.gradient(images.subarray(784, 2 * 784), model.trainingLoss(labels.subarray(1, 2)));
  assert.deepEqual(one.gradient, gradient.slice(784, 2 * 784));
});

test("features have the sizes of the network's places", () => {
  const found = loaded().features(new Float32Array(2 * 784));
  assert.ok(found.length > 0);
  assert.ok(found.every((values) => values.length % 2 === 0 && values.length > 0));
});
