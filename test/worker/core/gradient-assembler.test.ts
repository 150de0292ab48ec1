import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BufferPool, TreeSum } from "../../../shared/core/reduction.js";
import { VectorMemory } from "../../../shared/core/vectors/vector-memory.js";
import { roundedCopy } from "../../support/bf16-reference.js";
import { GradientAssembler } from "../../../worker/core/gradient-assembler.js";

interface Case {
  /** One vector per slot. */
  slots: Float32Array[];
  chunkValues: number;
  /** Per slot: where the vector is cut into pieces, and in which order the pieces come. */
  emissions: { cuts: number[]; seed: number }[];
}

const cases: fc.Arbitrary<Case> = fc
  .record({
    slots: fc.constantFrom(1, 2, 4, 8),
    size: fc.integer({ min: 1, max: 60 }),
    chunkValues: fc.integer({ min: 1, max: 70 }),
  })
  .chain(({ slots, size, chunkValues }) =>
    fc.record({
      slots: fc.array(
        fc
          .array(fc.tuple(fc.integer({ min: -15, max: 15 }), fc.float({ min: -1, max: 1, noNaN: true })), {
            minLength: size,
            maxLength: size,
          })
          .map((row) => Float32Array.from(row, ([exponent, mantissa]) => mantissa * 2 ** exponent)),
        { minLength: slots, maxLength: slots },
      ),
      chunkValues: fc.constant(chunkValues),
      emissions: fc.array(
        fc.record({
          cuts: fc.uniqueArray(fc.integer({ min: 1, max: size }), { maxLength: 8 }),
          seed: fc.nat(),
        }),
        { minLength: slots, maxLength: slots },
      ),
    }),
  );

/** Pieces [start, end) of a vector in a shuffled order. */
function piecesOf(size: number, { cuts, seed }: { cuts: number[]; seed: number }): [number, number][] {
  const ends = [...new Set([...cuts, size])].sort((a, b) => a - b);
  const pieces = ends.map((end, i): [number, number] => [ends[i - 1] ?? 0, end]);
  return pieces
    .map((piece, i) => ({ piece, key: Math.imul(seed + i + 1, 2654435761) >>> 0 }))
    .sort((a, b) => a.key - b.key)
    .map(({ piece }) => piece);
}

/** Value parts with room before each, as frames have: the assembler may write nothing else. */
function bodiesOf(size: number, chunkValues: number): { bodies: Float32Array[]; memory: Float32Array } {
  const chunks = Math.ceil(size / chunkValues);
  const memory = new Float32Array(size + chunks).fill(-777);
  const bodies = Array.from({ length: chunks }, (_, i) => {
    const first = i * chunkValues;
    return memory.subarray(first + i + 1, first + i + 1 + Math.min(chunkValues, size - first));
  });
  return { bodies, memory };
}

test("the chunks hold the tree's sum bit for bit, and each leaves once, with its last value", () => {
  fc.assert(
    fc.property(cases, ({ slots, chunkValues, emissions }) => {
      const size = (slots[0] as Float32Array).length;
      const { bodies, memory } = bodiesOf(size, chunkValues);
      const left = new Set<number>();
      let lastSlot = false;
      const arrived = new Set<number>();
      const assembler = new GradientAssembler(slots.length, bodies, (chunk) => {
        assert.ok(lastSlot, "a chunk left before the last slot");
        assert.ok(!left.has(chunk), "a chunk left twice");
        left.add(chunk);
      });
      slots.forEach((vector, slot) => {
        lastSlot = slot === slots.length - 1;
        assembler.beginSlot();
        for (const [start, end] of piecesOf(size, emissions[slot] as Case["emissions"][0])) {
          const piece = vector.slice(start, end);
          assembler.add(start, piece);
          piece.fill(Number.NaN); // the engine's memory is its own again
          if (!lastSlot) continue;
          for (let i = start; i < end; i++) arrived.add(i);
          const full = bodies.map((body, chunk) =>
            body.every((_, i) => arrived.has(chunk * chunkValues + i)),
          );
          assert.deepEqual([...left].sort(), [...full.keys()].filter((chunk) => full[chunk]).sort());
        }
        assembler.endSlot();
      });
      assert.equal(left.size, bodies.length);

      const tree = new TreeSum(slots.length, new BufferPool(size));
      slots.forEach((vector, slot) => tree.add(slots.length + slot, vector));
      const sum = Float32Array.from(bodies.flatMap((body) => [...body]));
      assert.deepEqual(Buffer.from(sum.buffer), Buffer.from((tree.root as Float32Array).slice().buffer));
      assert.equal(
        memory.filter((value) => value === -777).length >= bodies.length,
        true,
        "a header was overwritten",
      );
    }),
    { numRuns: 400 },
  );
});

test("each slot is rounded by itself before it enters a sum, in any piece and any memory", () => {
  fc.assert(
    fc.property(cases, fc.nat(60), ({ slots, chunkValues, emissions }, most) => {
      const size = (slots[0] as Float32Array).length;
      const rounded = Math.min(most, size);
      for (const memory of [undefined, new VectorMemory()]) {
        const sums = memory?.allocate(size) ?? new Float32Array(size);
        const bodies = Array.from({ length: Math.ceil(size / chunkValues) }, (_, i) =>
          sums.subarray(i * chunkValues, Math.min(size, (i + 1) * chunkValues)),
        );
        const assembler = new GradientAssembler(slots.length, bodies, () => undefined, memory, rounded);
        slots.forEach((vector, slot) => {
          assembler.beginSlot();
          for (const [start, end] of piecesOf(size, emissions[slot] as Case["emissions"][0]))
            assembler.add(start, vector.slice(start, end));
          assembler.endSlot();
        });
        assembler.dispose();
        const tree = new TreeSum(slots.length, new BufferPool(size));
        slots.forEach((vector, slot) => tree.add(slots.length + slot, roundedCopy(vector, rounded)));
        assert.deepEqual(sums.slice(), (tree.root as Float32Array).slice());
      }
    }),
    { numRuns: 200 },
  );
});

for (const slot of [0, 1, 2, 3]) {
  test(`a value missing in slot ${slot} of four is an error, not a wrong sum`, () => {
    const { bodies } = bodiesOf(10, 4);
    const left: number[] = [];
    const assembler = new GradientAssembler(4, bodies, (chunk) => left.push(chunk));
    for (let s = 0; s < slot; s++) {
      assembler.beginSlot();
      assembler.add(0, new Float32Array(10).fill(1));
      assembler.endSlot();
    }
    assembler.beginSlot();
    assembler.add(5, new Float32Array(5).fill(1));
    assembler.add(0, new Float32Array(4).fill(1));
    assert.throws(() => assembler.endSlot(), RangeError);
    assert.ok(!left.includes(1), "the chunk with the gap did not leave");
  });
}

test("restarted, an assembler sums the next block in the memory of the one before", () => {
  const memory = new VectorMemory();
  const sums = memory.allocate(3);
  const assembler = new GradientAssembler(4, [sums], () => undefined, memory);
  for (const scale of [1, 10]) {
    assembler.restart();
    for (let slot = 1; slot <= 4; slot++) {
      assembler.beginSlot();
      assembler.add(0, Float32Array.of(slot * scale, -slot, 0.5));
      assembler.endSlot();
    }
    assert.deepEqual([...sums], [10 * scale, -10, 2]);
  }
  assert.ok(memory.allocate(0).byteOffset <= 5 * 64, "the second block took memory of its own");
});
