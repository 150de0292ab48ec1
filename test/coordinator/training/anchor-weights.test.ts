import assert from "node:assert/strict";
import { test } from "node:test";
import { AnchorWeights } from "../../../coordinator/training/anchor-weights.js";
import type { KeptWeights } from "../../../shared/records/checkpoint.js";
import { decodeChunk } from "../../../shared/core/chunk.js";
import type { StepPlan } from "../../../shared/core/schedule.js";
import { ClusterError } from "../../../shared/errors.js";

/** Two steps an epoch. */
const plan: StepPlan = { images: 20, batchSize: 10, slots: 1, epochs: 9 };
const augmentation = { adversarial: { epsilon: 1, share: 0.5 } };
const identity = (version: number): { runHash: string; term: number; version: number } => ({
  runHash: "0123456789abcdef",
  term: 7,
  version,
});
/** The vector is what `weights` makes. */
const ranges = [{ index: 0, first: 0, end: 3 }];
const weights = (step: number): Float32Array => Float32Array.of(step, 2 * step, 3);

/** Weights that the frames carry. */
function sent(anchor: AnchorWeights, version: number): Float32Array | undefined {
  const frame = anchor.frame({ shard: 0, version, chunk: 0 });
  if (frame === undefined) return undefined;
  const decoded = decodeChunk(frame);
  assert.ok(decoded.ok);
  assert.deepEqual([decoded.header.step, decoded.header.term], [version, 7]);
  return new Float32Array(decoded.body.slice().buffer);
}

test("weights are kept from an epoch's begin to its end, whatever becomes of the vector", () => {
  const anchor = new AnchorWeights(plan, augmentation, ranges, undefined);
  for (let step = 0; step <= 5; step++) {
    const current = weights(step);
    anchor.advance(() => current.slice(), identity(step));
    current.fill(Number.NaN);
    const due = step < 2 ? undefined : step - (step % 2);
    assert.equal(anchor.kept?.step, due);
    if (due !== undefined) {
      assert.deepEqual(anchor.kept?.parameters, weights(due));
      assert.deepEqual(sent(anchor, due), weights(due));
    }
    assert.equal(sent(anchor, 1), undefined);
  }
});

test("a run that goes on in mid-epoch serves the weights of its checkpoint", () => {
  const kept: KeptWeights = { step: 2, parameters: weights(2) };
  const anchor = new AnchorWeights(plan, augmentation, ranges, kept);
  anchor.advance(() => weights(3), identity(3));
  assert.deepEqual(sent(anchor, 2), weights(2));
  anchor.advance(() => weights(4), identity(4));
  assert.deepEqual(sent(anchor, 4), weights(4));
  assert.equal(sent(anchor, 2), undefined);
});

test("a checkpoint without the weights that are due is an error that names their step", () => {
  for (const kept of [undefined, { step: 0, parameters: weights(0) }]) {
    const anchor = new AnchorWeights(plan, augmentation, ranges, kept);
    assert.throws(
      () => anchor.advance(() => weights(3), identity(3)),
      (error) => error instanceof ClusterError && error.code === "data" && /step 2/.test(error.message),
    );
  }
});

test("without flag A nothing is kept", () => {
  const anchor = new AnchorWeights(plan, {}, ranges, undefined);
  for (let step = 0; step <= 5; step++) anchor.advance(() => weights(step), identity(step));
  assert.equal(anchor.kept, undefined);
  assert.equal(anchor.frame({ shard: 0, version: 4, chunk: 0 }), undefined);
});
