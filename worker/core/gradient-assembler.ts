/**
 * Collects what a block of slots yields, piece by piece, and finishes the block's sum chunk by chunk: a chunk leaves as
 * soon as the last slot has filled it, while the engine still walks back through earlier layers.
 *
 * Slots are summed along the same binary tree as everywhere (shared/core/slots.ts): like a binary counter, two sums of
 * equal size are merged, left plus right.
 */
import { roundVector } from "../../shared/core/vectors/bf16.js";
import { type VectorStore, addVectors } from "../../shared/core/vectors/vector-memory.js";

export class GradientAssembler {
  readonly #slotCount: number;
  readonly #bodies: Float32Array[];
  readonly #onChunk: (chunk: number) => void;
  readonly #memory: VectorStore | undefined;
  /** Finished sums of earlier slots, largest first, with the number of slots in each. */
  readonly #stack: { slots: number; values: Float32Array }[] = [];
  readonly #free: Float32Array[] = [];
  readonly #size: number;
  readonly #rounded: number;
  #current: Float32Array | undefined;
  #slot = 0;
  /** Values that the current slot has still to bring. */
  #due = 0;
  /** The same for each chunk, in the last slot. */
  #missing: number[] = [];

  /**
   * `bodies`: the value part of each chunk frame, all of the same length but the last.
   * `onChunk` is called once for each chunk, when its body holds the block's sum.
   * `memory`: where the bodies lie, if it is one in which sums are fast.
   * `rounded`: so many values of each slot, from the first one on, are rounded to bf16 before they are summed.
   */
  constructor(
    slotCount: number,
    bodies: Float32Array[],
    onChunk: (chunk: number) => void,
    memory?: VectorStore,
    rounded: number = 0,
  ) {
    this.#memory = memory;
    this.#slotCount = slotCount;
    this.#bodies = bodies;
    this.#rounded = rounded;
    this.#onChunk = onChunk;
    this.#size = bodies.reduce((sum, body) => sum + body.length, 0);
  }

  beginSlot(): void {
    this.#due = this.#size;
    if (this.#last) this.#missing = this.#bodies.map((body) => body.length);
    else this.#current = this.#free.pop() ?? this.#allocate();
  }

  /** Values of the current slot from `offset` on; each value of the vector must come exactly once a slot. */
  add(offset: number, values: Float32Array): void {
    this.#due -= values.length;
    if (!this.#last) {
      this.#current!.set(values, offset);
      return;
    }
    const chunkValues = this.#chunkValues;
    for (let at = 0; at < values.length;) {
      const chunk = Math.floor((offset + at) / chunkValues);
      const body = this.#bodies[chunk]!;
      const inside = offset + at - chunk * chunkValues;
      const length = Math.min(values.length - at, body.length - inside);
      body.set(values.subarray(at, at + length), inside);
      this.#missing[chunk] = this.#missing[chunk]! - length;
      if (this.#missing[chunk] === 0) this.#finish(chunk, body);
      at += length;
    }
  }

  /** The last slot has brought all its values. */
  get isFilled(): boolean {
    return this.#last && this.#due === 0;
  }

  /** Throws RangeError when values of the slot have not come. */
  endSlot(): void {
    if (this.#due !== 0 || (this.#last && this.#missing.some((count) => count !== 0))) {
      throw new RangeError("A slot ended before all its values had come, or one came twice");
    }
    if (!this.#last) {
      roundVector(this.#current!.subarray(0, this.#rounded));
      let sum = { slots: 1, values: this.#current! };
      for (let top = this.#stack.at(-1); top?.slots === sum.slots; top = this.#stack.at(-1)) {
        this.#stack.pop();
        addVectors(top.values, top.values, sum.values);
        this.#free.push(sum.values);
        sum = { slots: 2 * sum.slots, values: top.values };
      }
      this.#stack.push(sum);
    }
    this.#slot++;
  }

  /** Gives its memory back; it is not used any more. */
  dispose(): void {
    this.restart();
    for (const values of this.#free.splice(0)) this.#memory?.release(values);
  }

  /** Ready for the next block, with the same memory. */
  restart(): void {
    this.#free.push(...this.#stack.splice(0).map(({ values }) => values));
    // A slot that broke off in the middle.
    if (this.#current !== undefined && !this.#free.includes(this.#current)) this.#free.push(this.#current);
    this.#current = undefined;
    this.#slot = 0;
  }

  #allocate(): Float32Array {
    return this.#memory?.allocate(this.#size) ?? new Float32Array(this.#size);
  }

  get #last(): boolean {
    return this.#slot === this.#slotCount - 1;
  }

  /** Of all bodies but the last one. */
  get #chunkValues(): number {
    return this.#bodies[0]!.length;
  }

  #finish(chunk: number, body: Float32Array): void {
    const start = chunk * this.#chunkValues;
    if (start < this.#rounded) roundVector(body.subarray(0, this.#rounded - start));
    for (let level = this.#stack.length - 1; level >= 0; level--) {
      const { values } = this.#stack[level] as { values: Float32Array };
      addVectors(body, values.subarray(start, start + body.length), body);
    }
    this.#onChunk(chunk);
  }
}
