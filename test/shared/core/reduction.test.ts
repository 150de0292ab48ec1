import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BufferPool, TreeSum } from "../../../shared/core/reduction.js";
import { VectorMemory } from "../../../shared/core/vectors/vector-memory.js";
import { blockOfNode } from "../../../shared/core/slots.js";

/** Counts what is handed out and returned. */
class CountingPool extends BufferPool {
  created = 0;
  out = 0;
  readonly #known = new Set<Float32Array>();
  readonly #idle = new Set<Float32Array>();

  override take(): Float32Array {
    const buffer = super.take();
    if (!this.#known.has(buffer)) this.created++;
    this.#known.add(buffer);
    this.#idle.delete(buffer);
    this.out++;
    return buffer;
  }

  override give(buffer: Float32Array): void {
    assert.ok(
      this.#known.has(buffer) && !this.#idle.has(buffer),
      "a foreign buffer, or one given back twice",
    );
    this.#idle.add(buffer);
    this.out--;
    super.give(buffer);
  }
}

/** The definition: left half plus right half, in float32. */
function sequential(leaves: readonly Float32Array[]): Float32Array {
  if (leaves.length === 1) return Float32Array.from(leaves[0] as Float32Array);
  const left = sequential(leaves.slice(0, leaves.length / 2));
  const right = sequential(leaves.slice(leaves.length / 2));
  return left.map((value, i) => Math.fround(value + (right[i] as number)));
}

/** What a worker sends for a node. */
function valuesOf(leaves: readonly Float32Array[], node: number): Float32Array {
  const { first, count } = blockOfNode(leaves.length, node) as { first: number; count: number };
  return sequential(leaves.slice(first, first + count));
}

const bits = (values: Float32Array | undefined): string =>
  Buffer.from((values as Float32Array).slice().buffer).toString("hex");

const LENGTH = 5;
/** Wide exponents, both signs and both zeros: any other order of summation would show. */
const value = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(fc.integer({ min: -20, max: 20 }), fc.float({ min: -1, max: 1, noNaN: true })),
  },
  { weight: 1, arbitrary: fc.constantFrom<[number, number]>([0, 0], [0, -0]) },
);
const leavesOf = (slots: number): fc.Arbitrary<Float32Array[]> =>
  fc.array(
    fc
      .array(value, { minLength: LENGTH, maxLength: LENGTH })
      .map((row) => Float32Array.from(row, ([e, m]) => m * 2 ** e)),
    { minLength: slots, maxLength: slots },
  );

/** Nodes in any order, some of them again, blocks inside blocks that came or are to come; then all leaves. */
const steps = fc
  .integer({ min: 0, max: 4 })
  .map((power) => 2 ** power)
  .chain((slots) =>
    fc.record({
      leaves: leavesOf(slots),
      sent: fc.array(fc.integer({ min: 1, max: 2 * slots - 1 }), { maxLength: 3 * slots }),
      last: fc.shuffledSubarray(
        Array.from({ length: slots }, (_, i) => slots + i),
        { minLength: slots },
      ),
    }),
  );

test("however the slots were grouped, ordered, repeated or re-grouped, the root has the bits of the sequential tree", () => {
  const pool = new CountingPool(LENGTH);
  fc.assert(
    fc.property(steps, ({ leaves, sent, last }) => {
      const tree = new TreeSum(leaves.length, pool);
      for (const node of [...sent, ...last]) {
        const covered = tree.covers(node);
        const before = bits(tree.root ?? new Float32Array());
        const buffer = valuesOf(leaves, node);
        assert.equal(tree.add(node, buffer), covered ? "duplicate" : "added");
        if (covered) assert.equal(bits(tree.root ?? new Float32Array()), before);
        assert.ok(tree.covers(node));
        buffer.fill(Number.NaN); // the caller may reuse its buffer
      }
      assert.equal(bits(tree.root), bits(sequential(leaves)));
      tree.release();
      assert.equal(tree.root, undefined);
      assert.equal(pool.out, 0);
    }),
    { numRuns: 400 },
  );
});

test("the root is there exactly when every slot was counted", () => {
  fc.assert(
    fc.property(steps, ({ leaves, sent }) => {
      const tree = new TreeSum(leaves.length, new BufferPool(LENGTH));
      const counted = new Set<number>();
      for (const node of sent) {
        tree.add(node, valuesOf(leaves, node));
        const { first, count } = blockOfNode(leaves.length, node) as { first: number; count: number };
        for (let slot = first; slot < first + count; slot++) counted.add(slot);
        assert.equal(tree.root !== undefined, counted.size === leaves.length);
        for (let slot = 0; slot < leaves.length; slot++) {
          assert.equal(tree.covers(leaves.length + slot), counted.has(slot));
        }
      }
    }),
  );
});

test("a block sent again as part of a larger one is replaced, not added twice, and its buffer returns", () => {
  const pool = new CountingPool(1);
  const tree = new TreeSum(4, pool);
  tree.add(4, Float32Array.of(1));
  tree.add(6, Float32Array.of(100));
  assert.equal(tree.add(2, Float32Array.of(3)), "added"); // slots 0 and 1 at once
  assert.equal(pool.out, 2);
  assert.deepEqual([...(tree.sumOf(2) ?? [])], [3]);
  assert.equal(tree.sumOf(4), undefined);
  assert.equal(tree.add(5, Float32Array.of(2)), "duplicate");
  assert.equal(tree.add(7, Float32Array.of(1000)), "added");
  assert.deepEqual([...(tree.root as Float32Array)], [1103]);
  assert.equal(pool.out, 1);
});

test("values that are not finite, of the wrong size, or for no node are refused and change nothing", () => {
  const pool = new CountingPool(3);
  const tree = new TreeSum(4, pool);
  tree.add(4, Float32Array.of(1, 2, 3));
  const held = pool.out;
  for (const bad of [Number.NaN, Infinity, -Infinity]) {
    for (let place = 0; place < 3; place++) {
      const values = Float32Array.of(1, 2, 3);
      values[place] = bad;
      // Were it taken, node 2 would have replaced slot 0.
      assert.equal(tree.add(2, values), "nonfinite");
    }
  }
  assert.equal(tree.add(2, new Float32Array(2)), "wrong-size");
  assert.equal(tree.add(2, new Float32Array(4)), "wrong-size");
  for (const node of [0, -1, 8, 1.5, Number.NaN, 2 ** 32 + 4]) {
    assert.equal(tree.add(node, new Float32Array(3)), "no-such-node");
  }
  assert.equal(pool.out, held);
  assert.deepEqual([tree.covers(4), tree.covers(5), tree.root], [true, false, undefined]);
  for (const node of [5, 6, 7]) tree.add(node, Float32Array.of(1, 1, 1));
  assert.deepEqual([...(tree.root as Float32Array)], [4, 5, 6]);
});

test("a thousand steps use no more buffers than the first, with repeats and changed minds in all of them", () => {
  const pool = new CountingPool(2);
  const slots = 8;
  const tree = new TreeSum(slots, pool);
  let afterFirst = 0;
  for (let step = 0; step < 1000; step++) {
    // The worst case first: all even leaves, which cannot merge.
    for (const leaf of [0, 2, 4, 6, 1, 1, 3, 5]) tree.add(slots + leaf, Float32Array.of(leaf, step));
    tree.add(7, Float32Array.of(13, 2 * step)); // slots 6 and 7 as one block
    assert.deepEqual([...(tree.root as Float32Array)], [28, 8 * step]);
    tree.release();
    assert.equal(pool.out, 0);
    if (step === 0) afterFirst = pool.created;
  }
  assert.equal(pool.created, afterFirst);
  assert.ok(afterFirst <= slots / 2 + 1, `${afterFirst} buffers`);
});

test("values that were changed while they were read change nothing, wherever they lie", () => {
  const vectors = new VectorMemory();
  for (const memory of [undefined, vectors]) {
    const pool = new BufferPool(3, memory);
    const tree = new TreeSum(2, pool);
    const bytes = (...values: number[]): Uint8Array => {
      const { buffer, byteOffset, byteLength } = vectors.copyOf(Float32Array.from(values));
      return new Uint8Array(buffer, byteOffset, byteLength);
    };
    assert.equal(
      tree.addBytes(2, bytes(1, 2, 3), () => false),
      "torn",
    );
    assert.equal(tree.covers(2), false);
    assert.equal(tree.addBytes(2, bytes(1, 2, 3)), "added");
    assert.equal(
      tree.addBytes(3, bytes(9, Number.NaN, 9), () => false),
      "torn",
    );
    assert.equal(tree.addBytes(3, bytes(9, Number.NaN, 9)), "nonfinite");
    assert.deepEqual([tree.covers(3), tree.root], [false, undefined]);
    assert.equal(tree.addBytes(3, bytes(10, 20, 30)), "added");
    assert.deepEqual([...(tree.root as Float32Array)], [11, 22, 33]);
  }
});

test("bytes are counted from any alignment, out of plain arrays and Node's buffers", () => {
  const values = Float32Array.of(1.5, -2, 3e38, 0, 1e-45);
  const vectors = new VectorMemory();
  for (const pool of [new BufferPool(values.length), new BufferPool(values.length, vectors)])
    for (const shift of [0, 1, 2, 3, 4, 5]) {
      const memory = new Uint8Array(64 + shift);
      memory.set(new Uint8Array(values.buffer), shift);
      for (const bytes of [
        memory.subarray(shift, shift + values.byteLength),
        Buffer.from(memory.buffer, shift, values.byteLength),
      ]) {
        const tree = new TreeSum(1, pool);
        assert.equal(tree.addBytes(1, bytes), "added");
        assert.deepEqual([...(tree.root as Float32Array)], [...values], `shift ${shift}`);
      }
    }
});
