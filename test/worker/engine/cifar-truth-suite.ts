/** The training step of the CIFAR-10 networks against PyTorch (test/fixtures/torch-step), on any engine. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Layout, TAIL } from "../../../shared/core/layout.js";
import { updateRange } from "../../../shared/core/optimizer.js";
import { BufferPool, TreeSum } from "../../../shared/core/reduction.js";
import { layoutOf } from "../../../shared/networks/network.js";
import { networkNamed } from "../../../shared/networks/registry.js";
import type { Program, Programs } from "../../../worker/engine/program.js";
import {
  type CifarCase,
  cifarErrors,
  cifarInitial,
  cifarInputs,
  cifarLabels,
  loadCifarReference,
} from "../../support/cifar-reference.js";

/** Asked for. PyTorch's own float32 comes to 5e-6; worst of all tensors and engines when this was written: 2e-5. */
const TOLERANCE = 1e-4;

/** Sums of a step's slots, each of which is a batch for itself, along the tree. */
function sumOfSlots(program: Program, first: number, batch: number, slots: number) {
  const { network, layout } = program;
  const tree = new TreeSum(slots, new BufferPool(layout.pushSize));
  const perSlot = batch / slots;
  for (let slot = 0; slot < slots; slot++) {
    const values = new Float32Array(layout.pushSize);
    const start = first + slot * perSlot;
    program.train(cifarInputs(start, perSlot), cifarLabels(start, perSlot, network.outputs), {
      add: (offset, part) => values.set(part, offset),
    });
    assert.equal(tree.add(slots + slot, values), "added");
  }
  return tree.root as Float32Array;
}

/** The reference numbers tensors in its own order. */
function initialVector(layout: Layout, stepCase: CifarCase): Float32Array {
  const vector = new Float32Array(layout.size);
  const names = stepCase.steps[0]?.tensors.map(({ name }) => name) ?? [];
  // The reference must know every tensor that we train, or one could be wrong unseen.
  assert.deepEqual(layout.tensors.map(({ name }) => name).sort(), [...names].sort());
  for (const { name, offset, size } of layout.tensors)
    vector.set(cifarInitial(stepCase, names.indexOf(name), name, size), offset);
  return vector;
}

export function cifarTruthSuite(engineName: string, programs: Programs): void {
  const { cases, settings } = loadCifarReference();
  for (const stepCase of cases) {
    test(`${engineName}: two steps of CIFAR-10's ${stepCase.net} equal PyTorch's, tensor by tensor`, () => {
      const tensorsBefore = programs.living().tensors;
      const network = networkNamed("cifar10", stepCase.net);
      const layout = layoutOf(network);
      const program = programs.create(network, layout);
      const start = initialVector(layout, stepCase);
      const velocity = new Float32Array(layout.size);
      const moved = new Float64Array(layout.size);
      let weights = start;
      let worst = 0;

      stepCase.steps.forEach((reference, step) => {
        program.load(weights);
        const sums = sumOfSlots(program, step * settings.batch, settings.batch, settings.slots);
        const next = new Float32Array(layout.size);
        const { learningRate, momentum, weightDecay, batch: samples } = settings;
        const rule = { learningRate, momentum, weightDecay, samples };
        updateRange(layout, rule, 0, { sums, current: weights, velocity, next, moved: velocity });

        const loss = sums[layout.size + TAIL.loss] as number;
        assert.ok(
          Math.abs(loss / reference.lossSum - 1) < 1e-5,
          `loss ${loss}, expected ${reference.lossSum}`,
        );
        assert.equal(sums[layout.size + TAIL.hits], reference.hits);
        for (const { name, offset, size, role, rateMultiplier } of layout.tensors) {
          for (let i = offset; i < offset + size; i++) {
            const [before, after] = [weights[i] as number, next[i] as number];
            // What moves a weight is known better than the difference of two rounded weights.
            const move = learningRate * rateMultiplier * (velocity[i] as number);
            if (role === "moment") moved[i] = after - (start[i] as number);
            else {
              moved[i] = (moved[i] as number) + move;
              const rounding = 2 ** -23 * (Math.abs(before) + Math.abs(after));
              assert.ok(
                Math.abs(before + move - after) <= rounding,
                `${name}[${i - offset}] is not where it moved`,
              );
            }
          }
          const number = reference.tensors.findIndex((tensor) => tensor.name === name);
          const expected = reference.tensors[number] as (typeof reference.tensors)[number];
          for (const [kind, error] of Object.entries(
            cifarErrors(expected, number, moved.subarray(offset, offset + size)),
          )) {
            worst = Math.max(worst, error);
            assert.ok(error <= TOLERANCE, `step ${step + 1}, ${name}: ${kind} error ${error}`);
          }
        }
        weights = next;
      });
      program.dispose();
      assert.equal(programs.living().tensors, tensorsBefore);
      assert.ok(worst > 0, "nothing was compared");
    });
  }
}
