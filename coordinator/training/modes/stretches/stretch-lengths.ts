/** Exclusive leases: how long they are, and what a returned state must look like. */
import { at } from "../../../../shared/core/at.js";
import { type Layout, TAIL } from "../../../../shared/core/layout.js";
import { allFinite } from "../../../../shared/core/vectors/vector-memory.js";
import { type StepPlan, stepSamples, stepsPerEpoch } from "../../../../shared/core/schedule.js";
import { type StateParts, stateSize } from "../../../../shared/core/stretch.js";

/** Work of one exclusive lease: what is lost when its worker dies. */
export const STRETCH_MS = 15_000;
/** Steps of the first lease, before the speed is known. */
export const FIRST_STRETCH = 8;
/** A first measurement is a poor one (images are loaded, code is compiled): lengths grow by this factor at most. */
const GROWTH = 8;

/**
 * Steps of the next lease, at least one, at most up to the stop. `stepMs` and `last`: time of a step, and length, of the
 * lease before; 0 while there was none.
 */
export function stretchLength(left: number, stepMs: number, last: number): number {
  if (last === 0) return Math.min(left, FIRST_STRETCH);
  const fitting = Math.floor(STRETCH_MS / Math.max(stepMs, 1e-3));
  // A short lease before a stop says nothing against a long one after it.
  return Math.min(left, Math.max(1, Math.min(fitting, Math.max(FIRST_STRETCH, last) * GROWTH)));
}

/**
 * Steps from `step` to the next one at which the coordinator itself needs the state: `stopAt`, or an epoch's end, for what
 * depends on the weights at the start of an epoch must have them whoever computes it.
 */
export function stepsLeft(plan: StepPlan, step: number, stopAt: number): number {
  const perEpoch = stepsPerEpoch(plan);
  return Math.min(stopAt, (Math.floor(step / perEpoch) + 1) * perEpoch) - step;
}

/** What a step of a stretch came to. */
export interface StepSum {
  /** Sum over the samples. */
  loss: number;
  hits: number;
  samples: number;
}

export type CheckedState =
  { ok: true; steps: StepSum[] } | { ok: false; reason: "size" | "nonfinite" | "samples"; detail: string };

/** Is this the state after `count` steps from `first` on? The truth of its values nobody can check but by computing. */
export function checkState(
  layout: Layout,
  plan: StepPlan,
  first: number,
  count: number,
  stream: Float32Array,
  { tails }: StateParts,
): CheckedState {
  if (stream.length !== stateSize(layout, count)) {
    return {
      ok: false,
      reason: "size",
      detail: `expected ${stateSize(layout, count)} values, got ${stream.length}`,
    };
  }
  if (!allFinite(stream)) return { ok: false, reason: "nonfinite", detail: "values that are not finite" };
  const steps: StepSum[] = [];
  for (let i = 0; i < count; i++) {
    const tail = tails.subarray(i * TAIL.length);
    const sum: StepSum = {
      loss: at(tail, TAIL.loss),
      hits: at(tail, TAIL.hits),
      samples: at(tail, TAIL.samples),
    };
    const expected = stepSamples(plan, first + i);
    if (sum.samples !== expected || !Number.isInteger(sum.hits) || sum.hits < 0 || sum.hits > sum.samples) {
      return {
        ok: false,
        reason: "samples",
        detail: `step ${first + i} counted ${sum.hits} of ${sum.samples} images, expected ${expected}`,
      };
    }
    steps.push(sum);
  }
  return { ok: true, steps };
}
