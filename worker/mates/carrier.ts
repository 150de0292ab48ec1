/**
 * What a porter carries: the blocks that its mates computed, summed with its own along the tree, chunk by chunk. Only a sum that
 * is whole and finite leaves; of anything else the coordinator hears from whoever computed it.
 */
import { bodyOf, decodeChunk, frameIn, roundedInChunk, sealOf, valuesIn } from "../../shared/core/chunk.js";
import { type Rounded, codecOf, exactBytes } from "../../shared/core/codec.js";
import { miscountIn } from "../../shared/core/push-counts.js";
import type { TreeSum } from "../../shared/core/reduction.js";
import { allFinite } from "../../shared/core/vectors/vector-memory.js";
import type { FrameSender, Push } from "../frame-sender.js";
import type { CarriedSums } from "./carried-sums.js";

export interface Load {
  slots: number;
  identity: Push["identity"];
  /** Of the porter's own block. */
  ownNode: number;
  ownFrames: Uint8Array;
  /** Who brings the other blocks. */
  mates: readonly string[];
  /** Images in the slots of a node. */
  images: (node: number) => number;
  /** Values of what a node sums that travel rounded. */
  rounded: (node: number) => Rounded;
  sums: CarriedSums;
  /** Of the sums; `frames` are those of `sums`. */
  sender: FrameSender;
}

export class Carrier {
  readonly #load: Load;
  readonly #frames: Uint8Array;
  readonly #trees: readonly TreeSum[];
  /** Chunks whose sum has left. */
  readonly #carried = new Set<number>();
  #isOver = false;
  #end: (isWhole: boolean) => void = () => undefined;
  /** Resolves when every chunk has left in a sum, or none will any more. */
  readonly ended: Promise<boolean>;

  constructor(load: Load) {
    this.#load = load;
    this.#frames = load.sums.frames();
    this.#trees = load.sums.trees(load.slots);
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  /** Chunks of our own block that are computed. */
  addOwn(chunks: readonly number[]): void {
    const { ownNode, ownFrames, identity, rounded } = this.#load;
    for (const chunk of chunks)
      this.#add(ownNode, chunk, bodyOf(frameIn(ownFrames, identity.totalBytes, chunk, rounded(ownNode))));
  }

  /** A frame of what a mate computed. `inPlace`: it lies where the mate can change it. */
  take(speaker: string, frame: Uint8Array, inPlace: boolean): void {
    if (this.#isOver || !this.#load.mates.includes(speaker)) return;
    const seal = inPlace ? sealOf(frame) : 0;
    const decoded = decodeChunk(frame, inPlace);
    if (!decoded.ok) return;
    const { header, body } = decoded;
    const { identity, images, rounded } = this.#load;
    const fits =
      header.kind === "gradient" &&
      header.runHash === identity.runHash &&
      header.term === identity.term &&
      header.step === identity.step &&
      header.totalBytes === identity.totalBytes &&
      header.codec === codecOf(rounded(header.node)) &&
      this.#isMissing(header.node);
    if (!fits) return;
    const isLast = header.chunk === header.chunkCount - 1;
    const exact = exactBytes(body, this.#roundedIn(header.node, header.chunk));
    if (isLast && miscountIn(exact, images(header.node)) !== undefined) return;
    this.#add(header.node, header.chunk, body, () => !inPlace || sealOf(frame) === seal);
  }

  /** Nothing leaves in a sum any more. Returns the chunks that have not. */
  stop(): number[] {
    this.#finish(false);
    return [...this.#trees.keys()].filter((chunk) => !this.#carried.has(chunk));
  }

  /** Is it a part of the sum that is not ours? */
  #isMissing(node: number): boolean {
    const { identity, ownNode } = this.#load;
    return isWithin(node, identity.node) && !isWithin(node, ownNode) && !isWithin(ownNode, node);
  }

  #add(node: number, chunk: number, bytes: Uint8Array, isIntact?: () => boolean): void {
    const tree = this.#trees[chunk];
    if (this.#isOver || tree === undefined || this.#carried.has(chunk)) return;
    const outcome = tree.addBytes(node, bytes, isIntact, this.#roundedIn(node, chunk));
    if (outcome === "nonfinite") this.#finish(false);
    const sum = outcome === "added" ? tree.sumOf(this.#load.identity.node) : undefined;
    if (sum !== undefined) this.#leave(chunk, sum);
  }

  #roundedIn(node: number, chunk: number): number {
    return roundedInChunk(this.#load.identity.totalBytes, chunk, this.#load.rounded(node));
  }

  #leave(chunk: number, sum: Float32Array): void {
    const { identity, sender } = this.#load;
    // Finite values may overflow where they are summed: the coordinator is to see that for itself.
    if (!allFinite(sum)) return this.#finish(false);
    valuesIn(frameIn(this.#frames, identity.totalBytes, chunk)).set(sum);
    this.#trees[chunk]?.release();
    this.#carried.add(chunk);
    sender.send([chunk]);
    if (this.#carried.size === this.#trees.length) this.#finish(true);
  }

  #finish(isWhole: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const tree of this.#trees) tree.release();
    this.#end(isWhole);
  }
}

/** Does a node of the tree lie below another one, or is it that one? */
function isWithin(node: number, top: number): boolean {
  let above = node;
  while (above > top) above >>>= 1;
  return above === top;
}
