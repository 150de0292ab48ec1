import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  blockOfNode,
  blockSizes,
  isPowerOfTwo,
  nodeOfBlock,
  planBlocks,
  slotRange,
} from "../../../shared/core/slots.js";

/** So many workers, all as fast. */
const equal = (workers: number): number[] => Array<number>(workers).fill(1);

const slotCount = fc.integer({ min: 0, max: 10 }).map((power) => 2 ** power);

test("powers of two are told from other numbers", () => {
  const powers = Array.from({ length: 2100 }, (_, i) => i - 10).filter(isPowerOfTwo);
  assert.deepEqual(powers, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048]);
  for (const value of [0.5, Number.NaN, Infinity, -Infinity, -2]) assert.ok(!isPowerOfTwo(value), `${value}`);
});

test("nodes are numbered like a heap: the worked example of four slots", () => {
  assert.deepEqual(
    Array.from({ length: 10 }, (_, i) => blockOfNode(4, i - 1)),
    [
      undefined,
      undefined,
      { first: 0, count: 4 },
      { first: 0, count: 2 },
      { first: 2, count: 2 },
      { first: 0, count: 1 },
      { first: 1, count: 1 },
      { first: 2, count: 1 },
      { first: 3, count: 1 },
      undefined,
    ],
  );
});

test("node and block are each other's inverse, and a node's block is its children's", () => {
  fc.assert(
    fc.property(slotCount, (slots) => {
      for (let node = 1; node < 2 * slots; node++) {
        const block = blockOfNode(slots, node);
        assert.ok(block !== undefined);
        assert.equal(nodeOfBlock(slots, block), node);
        if (node >= slots) assert.deepEqual(block, { first: node - slots, count: 1 });
        else {
          const [left, right] = [blockOfNode(slots, 2 * node), blockOfNode(slots, 2 * node + 1)];
          assert.deepEqual(left, { first: block.first, count: block.count / 2 });
          assert.deepEqual(right, { first: block.first + block.count / 2, count: block.count / 2 });
        }
      }
    }),
  );
});

test("numbers that are no node of the tree have no block", () => {
  const anything = fc.oneof(
    fc.double(),
    fc.integer(),
    fc.constantFrom(Infinity, -Infinity, 2 ** 32, 2 ** 53),
  );
  fc.assert(
    fc.property(slotCount, anything, (slots, node) => {
      const exists = Number.isInteger(node) && node >= 1 && node < 2 * slots;
      assert.equal(blockOfNode(slots, node) !== undefined, exists);
    }),
  );
});

test("blocks cover every slot once, in order, and never make a step longer than single slots would", () => {
  fc.assert(
    fc.property(slotCount, fc.integer({ min: 0, max: 300 }), (slots, workers) => {
      const blocks = planBlocks(slots, equal(workers));
      let next = 0;
      for (const { first, count } of blocks) {
        assert.equal(first, next);
        assert.ok(isPowerOfTwo(count) && first % count === 0);
        next += count;
      }
      assert.equal(next, slots);
      const hands = Math.max(1, workers);
      const time = listTime(
        blocks.map(({ count }) => count),
        equal(hands),
      );
      assert.ok(time <= Math.ceil(slots / hands), `${slots} slots, ${workers} workers: ${time}`);
      // Not more blocks than of one size, as large as it may be.
      const same = [...Array(11).keys()].map((power) => 2 ** power).filter((count) => count <= slots);
      const fits = same.filter(
        (count) => Math.ceil(slots / count / hands) * count <= Math.ceil(slots / hands),
      );
      assert.ok(blocks.length <= slots / Math.max(...fits));
    }),
  );
});

/** The time of a step when each block goes to whoever will be through with it first. */
function listTime(sizes: readonly number[], speeds: readonly number[]): number {
  const ends = speeds.map(() => 0);
  for (const count of sizes) {
    const times = ends.map((end, worker) => end + count / (speeds[worker] ?? 1));
    const first = times.indexOf(Math.min(...times));
    ends[first] = times[first] ?? 0;
  }
  return Math.max(...ends);
}

test("one worker gets one block, as many workers as slots one slot each, three of four slots singles", () => {
  assert.deepEqual(blockSizes(8, equal(1)), [8]);
  assert.deepEqual(blockSizes(8, equal(2)), [4, 4]);
  assert.deepEqual(blockSizes(8, equal(8)), Array(8).fill(1));
  assert.deepEqual(blockSizes(4, equal(3)), [2, 2]); // two rounds of one, or one round of two: fewer bytes
  assert.deepEqual(blockSizes(8, equal(3)), [2, 2, 2, 1, 1]); // three rounds; blocks of two alone would take four
  assert.deepEqual(blockSizes(8, equal(100)), Array(8).fill(1));
});

test("beside fast workers a slow one gets what it can do in the time of the step", () => {
  // Fifteen slots for three, one for the slow one: five rounds.
  assert.deepEqual(blockSizes(16, [1, 1, 1, 0.2]), [4, 4, 4, 1, 1, 1, 1]);
  // Four slots are done by the fast ones in two rounds, in blocks of two as soon.
  assert.deepEqual(blockSizes(4, [1, 1, 1, 0.2]), [2, 2]);
  assert.deepEqual(blockSizes(8, [1, 1e-9]), [8]);
  // The time of singles, in a sixth of the blocks.
  const sizes = blockSizes(64, [1, 1, 1, 0.1]);
  assert.deepEqual(sizes, [16, 16, 16, 4, 4, 4, 1, 1, 1, 1]);
  assert.equal(listTime(sizes, [1, 1, 1, 0.1]), listTime(Array<number>(64).fill(1), [1, 1, 1, 0.1]));
});

test("unequal workers are at most 2 % behind single slots, whatever their speeds", () => {
  const speed = fc.double({ min: 0.01, max: 1, noNaN: true });
  fc.assert(
    fc.property(slotCount, fc.array(speed, { minLength: 1, maxLength: 12 }), (slots, others) => {
      const speeds = [1, ...others.map((one) => Number(one.toPrecision(2)))];
      const sizes = blockSizes(slots, speeds);
      assert.equal(
        sizes.reduce((sum, count) => sum + count, 0),
        slots,
      );
      const singles = listTime(Array<number>(slots).fill(1), speeds);
      assert.ok(listTime(sizes, speeds) <= 1.021 * singles, `${sizes.join()} of ${speeds.join()}`);
    }),
  );
});

test("the slots of a batch share its images out without gap or overlap, sizes within one", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 65_536 }), slotCount, (batch, slots) => {
      let next = 0;
      const sizes: number[] = [];
      for (let slot = 0; slot < slots; slot++) {
        const { start, end } = slotRange(batch, slots, slot);
        assert.equal(start, next);
        next = end;
        sizes.push(end - start);
      }
      assert.equal(next, batch);
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
    }),
  );
});
