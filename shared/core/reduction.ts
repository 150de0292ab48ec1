/**
 * Gradient sums in a fixed order, whatever arrives first. Values of tree nodes (see slots.ts) are merged bottom-up,
 * left plus right, so the root is the same bits however the slots were grouped into blocks and whoever sent them.
 */
import { decodeBody, encodedLength, mergeBody } from "./codec.js";
import { blockOfNode } from "./slots.js";
import { type VectorMemory, addVectors, copyFinite, mergeFinite } from "./vectors/vector-memory.js";

/** Buffers of one length, used again: fresh memory costs page faults at every step. */
export class BufferPool {
  readonly #free: Float32Array[] = [];
  readonly #memory: VectorMemory | undefined;
  readonly length: number;

  /** Buffers in `memory` are summed faster; the sums are the same. */
  constructor(length: number, memory?: VectorMemory) {
    this.length = length;
    this.#memory = memory;
  }

  take(): Float32Array {
    return this.#free.pop() ?? this.#memory?.allocate(this.length) ?? new Float32Array(this.length);
  }

  give(buffer: Float32Array): void {
    this.#free.push(buffer);
  }

  /** Gives the memory of all buffers that are here back. */
  dispose(): void {
    for (const buffer of this.#free.splice(0)) this.#memory?.release(buffer);
  }

  /** These bytes as values that can be summed where they lie; or a copy of them, in a buffer of ours. */
  asValues(bytes: Uint8Array): { values: Float32Array; isOurs: boolean } {
    if (this.#memory?.holds(bytes) === true && bytes.byteOffset % 4 === 0)
      return { values: new Float32Array(bytes.buffer, bytes.byteOffset, this.length), isOurs: false };
    return { values: this.#copyOf(bytes), isOurs: true };
  }

  /** A buffer of ours that holds these bytes, no more of them than it has. */
  #copyOf(bytes: Uint8Array): Float32Array {
    const buffer = this.take();
    new Uint8Array(buffer.buffer, buffer.byteOffset, bytes.byteLength).set(bytes);
    return buffer;
  }

  /**
   * target = these values, the first `rounded` of which are bf16, plus what is held of the same place, if anything. Returns
   * whether all of them are finite.
   */
  sumInto(target: Float32Array, held: Float32Array | undefined, bytes: Uint8Array, rounded: number): boolean {
    const isHere = this.#memory?.holds(bytes) === true && bytes.byteOffset % 4 === 0;
    const copy = isHere ? undefined : this.#copyOf(bytes);
    const near = copy === undefined ? bytes : new Uint8Array(copy.buffer, copy.byteOffset, bytes.byteLength);
    const isFinite =
      held === undefined ? decodeBody(target, near, rounded) : mergeBody(target, held, near, rounded);
    if (copy !== undefined) this.give(copy);
    return isFinite;
  }
}

export type AddOutcome = "added" | "duplicate" | "no-such-node" | "wrong-size" | "nonfinite" | "torn";

/** The sum over all slots of one range of values. */
export class TreeSum {
  readonly #slots: number;
  readonly #pool: BufferPool;
  readonly #held = new Map<number, Float32Array>();

  constructor(slots: number, pool: BufferPool) {
    this.#slots = slots;
    this.#pool = pool;
  }

  /** Has this node, or one above it, been counted already? */
  covers(node: number): boolean {
    for (let n = node; n >= 1; n >>>= 1) {
      if (this.#held.has(n)) return true;
    }
    return false;
  }

  /** `addBytes` for values that are floats already. */
  add(node: number, values: Float32Array): AddOutcome {
    return this.addBytes(node, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }

  /**
   * Counts the values of a node once. They come as little-endian bytes, wherever those lie, and are read at once, so the
   * caller may reuse its buffer; the first `rounded` of them as bf16 (codec.ts). Values that are not finite, or not intact
   * after they were read, change nothing.
   */
  addBytes(
    node: number,
    bytes: Uint8Array,
    isIntact: () => boolean = () => true,
    rounded: number = 0,
  ): AddOutcome {
    if (blockOfNode(this.#slots, node) === undefined) return "no-such-node";
    if (bytes.byteLength !== encodedLength(this.#pool.length, rounded)) return "wrong-size";
    if (this.covers(node)) return "duplicate";
    const sibling = node > 1 ? this.#held.get(node ^ 1) : undefined;
    // Sums of two do not depend on which is the left one.
    const { sum, isFinite } =
      rounded === 0 ? this.#sumExact(sibling, bytes) : this.#sumRounded(sibling, bytes, rounded);
    const outcome = !isIntact() ? "torn" : isFinite ? "added" : "nonfinite";
    if (outcome !== "added") {
      this.#pool.give(sum);
      return outcome;
    }

    this.#dropBelow(node);
    if (sibling === undefined) this.#held.set(node, sum);
    else {
      this.#drop(node ^ 1);
      this.#rise(node >>> 1, sum);
    }
    return "added";
  }

  #sumExact(held: Float32Array | undefined, bytes: Uint8Array): { sum: Float32Array; isFinite: boolean } {
    const { values, isOurs } = this.#pool.asValues(bytes);
    const sum = isOurs ? values : this.#pool.take();
    const isFinite = held === undefined ? copyFinite(sum, values) : mergeFinite(sum, held, values);
    return { sum, isFinite };
  }

  #sumRounded(
    held: Float32Array | undefined,
    bytes: Uint8Array,
    rounded: number,
  ): { sum: Float32Array; isFinite: boolean } {
    const sum = this.#pool.take();
    return { sum, isFinite: this.#pool.sumInto(sum, held, bytes, rounded) };
  }

  /** Merges the sum of a node with what is held beside it, and so on up the tree. */
  #rise(node: number, sum: Float32Array): void {
    let at = node;
    for (
      let sibling = this.#held.get(at ^ 1);
      at > 1 && sibling !== undefined;
      sibling = this.#held.get(at ^ 1)
    ) {
      addVectors(sum, sum, sibling);
      this.#drop(at ^ 1);
      at >>>= 1;
    }
    this.#held.set(at, sum);
  }

  /** The finished sum, or undefined while slots are missing. Valid until `release`. */
  get root(): Float32Array | undefined {
    return this.sumOf(1);
  }

  /** The same of a node below the root, until its sibling is there too. */
  sumOf(node: number): Float32Array | undefined {
    return this.#held.get(node);
  }

  release(): void {
    for (const buffer of this.#held.values()) this.#pool.give(buffer);
    this.#held.clear();
  }

  /** A block that was sent again as a whole replaces the parts of it that had come. */
  #dropBelow(node: number): void {
    for (const held of [...this.#held.keys()]) {
      let above = held;
      while (above > node) above >>>= 1;
      if (above !== node) continue;
      this.#drop(held);
    }
  }

  #drop(node: number): void {
    const values = this.#held.get(node);
    if (values === undefined) return;
    this.#pool.give(values);
    this.#held.delete(node);
  }
}
