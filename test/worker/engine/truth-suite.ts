/**
 * The training step and the paper's attack against PyTorch (test/fixtures/torch-step, torch-attack), which shares no
 * code with them. truth.test.ts and truth-tensorflow.test.ts run it, for a process has one engine.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Layout } from "../../../shared/core/layout.js";
import { TAIL } from "../../../shared/core/layout.js";
import { updateRange } from "../../../shared/core/optimizer.js";
import { BufferPool, TreeSum } from "../../../shared/core/reduction.js";
import { layoutOf } from "../../../shared/networks/network.js";
import { networkNamed } from "../../../shared/networks/registry.js";
import { paperDirection } from "../../../worker/attacks/paper-fgs.js";
import type { Programs } from "../../../worker/engine/program.js";
import { loadedProgram } from "../../support/programs.js";
import {
  type AttackMode,
  type StepCase,
  loadAttackReference,
  loadStepReference,
  relativeErrors,
} from "../../support/reference-check.js";
import {
  type ReferenceNet,
  initialTensor,
  labels,
  networkInputs,
  tensorSpecs,
} from "../../support/reference-inputs.js";

/** Worst of all tensors and engines when this was written: 1.6e-5; PyTorch's own float32 comes to 5e-6. */
const TOLERANCE = 1e-4;
const IMAGE = 28 * 28;

function initialVector(layout: Layout, net: ReferenceNet): Float32Array {
  const vector = new Float32Array(layout.size);
  for (const { name, offset } of layout.tensors) vector.set(initialTensor(name, net), offset);
  return vector;
}

/** The step as the cluster makes it: each slot by itself, summed along the tree in whatever order, then the update. */
function sumOfSlots(
  programs: Programs,
  { net, slots, outputs }: StepCase,
  batch: number,
  step: number,
  weights: Float32Array,
): Float32Array {
  const network = networkNamed("mnist", net);
  const layout = layoutOf(network);
  const program = loadedProgram(programs, network, weights);
  const tree = new TreeSum(slots, new BufferPool(layout.pushSize));
  const perSlot = batch / slots;
  for (let slot = slots - 1; slot >= 0; slot--) {
    const first = (step - 1) * batch + slot * perSlot;
    const values = new Float32Array(layout.pushSize);
    program.train(networkInputs(first, perSlot), Uint8Array.from(labels(first, perSlot, outputs)), {
      add: (offset, part) => values.set(part, offset),
    });
    assert.equal(tree.add(slots + slot, values), "added");
  }
  program.dispose();
  return tree.root as Float32Array;
}

export function truthSuite(name: string, programs: Programs): void {
  const { cases, settings } = loadStepReference();
  for (const stepCase of cases) {
    const { net, outputs, seed, biased } = stepCase;
    test(`${name}: two steps of ${stepCase.name} equal PyTorch's, tensor by tensor`, () => {
      const layout = layoutOf(networkNamed("mnist", net));
      // The reference must know every tensor that we train, or one could be wrong unseen.
      assert.deepEqual(
        layout.tensors.map((tensor) => tensor.name).sort(),
        tensorSpecs(outputs)
          .map((spec) => spec.name)
          .sort(),
      );
      const start = initialVector(layout, { outputs, seed, biased });
      let weights = start;
      const velocity = new Float32Array(layout.size);
      const moved = new Float64Array(layout.size);

      for (const reference of stepCase.steps) {
        const sums = sumOfSlots(programs, stepCase, settings.batch, reference.step, weights);
        const next = new Float32Array(layout.size);
        const rule = {
          learningRate: settings.learningRate,
          momentum: settings.momentum,
          weightDecay: settings.weightDecay,
          samples: settings.batch,
        };
        const ranges = {
          sums: sums.subarray(0, layout.size),
          current: weights,
          velocity,
          next,
          moved: velocity,
        };
        updateRange(layout, rule, 0, ranges);

        const loss = sums[layout.size + TAIL.loss] as number;
        assert.ok(
          Math.abs(loss / reference.lossSum - 1) < 1e-5,
          `loss ${loss}, expected ${reference.lossSum}`,
        );
        assert.equal(sums[layout.size + TAIL.hits], reference.hits);
        assert.equal(sums[layout.size + TAIL.samples], settings.batch);
        for (const { name: tensor, offset, size, role, rateMultiplier } of layout.tensors) {
          for (let i = offset; i < offset + size; i++) {
            const [before, after] = [weights[i] as number, next[i] as number];
            if (role === "moment") {
              moved[i] = after - (start[i] as number);
              continue;
            }
            // What moves a weight is known better than the difference of two rounded weights.
            const move = settings.learningRate * rateMultiplier * (velocity[i] as number);
            moved[i] = (moved[i] as number) + move;
            const rounding = 2 ** -23 * (Math.abs(before) + Math.abs(after));
            assert.ok(
              Math.abs(before + move - after) <= rounding,
              `${tensor}[${i - offset}] is not where it moved`,
            );
          }
          const errors = relativeErrors(reference, tensor, moved.subarray(offset, offset + size));
          for (const [kind, error] of Object.entries(errors)) {
            assert.ok(error <= TOLERANCE, `step ${reference.step}, ${tensor}: ${kind} error ${error}`);
          }
        }
        weights = next;
      }
    });
  }

  const modes: [AttackMode, "stored" | "batch"][] = [
    ["eval", "stored"],
    ["stacked", "batch"],
  ];
  for (const { net, outputs, seed, modes: expected } of loadAttackReference().nets) {
    for (const [mode, statistics] of modes) {
      test(`${name}: the attack's direction on ${net} is PyTorch's, with batch norm as in ${mode}`, () => {
        const network = networkNamed("mnist", net);
        const layout = layoutOf(network);
        const vector = initialVector(layout, { outputs, seed, usedMoments: true });
        const program = loadedProgram(programs, network, vector);
        const { images } = expected[mode];

        const direction = paperDirection(
          { program, statistics },
          networkInputs(0, images.length),
          Uint8Array.from(labels(0, images.length, 10)),
        );
        program.dispose();

        for (const { image, positions, signs, sizes, positive, negative, zero, undecided } of images) {
          const own = direction.subarray(image * IMAGE, (image + 1) * IMAGE);
          positions.forEach((position, k) => {
            // A gradient below 1e-3 of the mean one may come out on the other side of zero.
            if ((sizes[k] as number) > 1e-3)
              assert.equal(own[position], signs[k], `image ${image}, pixel ${position}`);
          });
          const count = (sign: number): number => own.filter((value) => value === sign).length;
          const told = [count(1) - positive, count(-1) - negative, count(0) - zero];
          assert.ok(
            told.every((difference) => Math.abs(difference) <= undecided + 1),
            `image ${image}: ${told.join(", ")} more +, -, 0 than PyTorch, ${undecided} of them undecided`,
          );
        }
      });
    }
  }
}
