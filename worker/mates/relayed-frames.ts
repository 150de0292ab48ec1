/**
 * Parameters as a relay passes them on: frames in memory that its mates map. There are two versions of each run, for while one is
 * read the next one comes.
 */
import type { MappedMemory } from "../../shared/bus.js";
import {
  CHUNK_BYTES,
  type ChunkHeader,
  bodyOf,
  breakSeal,
  chunkCountOf,
  decodeChunk,
  sealChunk,
} from "../../shared/core/chunk.js";
import { RUNS_KEPT } from "../../shared/loaded-runs.js";

/** No network is larger by far: what a frame says is not believed beyond it. */
const MOST_BYTES = 512 * 1024 * 1024;

export class RelayedFrames {
  readonly #memory: MappedMemory;
  /** By run and parity of the version; the one used last comes last. */
  readonly #areas = new Map<string, Uint8Array>();

  constructor(memory: MappedMemory) {
    this.#memory = memory;
  }

  /** The frame where mates read it; undefined when it is damaged, no parameters', or finds no room. */
  place(frame: Uint8Array): Uint8Array | undefined {
    const decoded = decodeChunk(frame);
    if (!decoded.ok || decoded.header.kind !== "parameters") return undefined;
    const { header } = decoded;
    const start = header.chunk * CHUNK_BYTES;
    const placed = this.#areaFor(header)?.subarray(start, start + frame.byteLength);
    if (placed === undefined) return undefined;
    breakSeal(placed);
    bodyOf(placed).set(decoded.body);
    sealChunk(placed, header, true);
    return placed;
  }

  #areaFor({ runHash, step, totalBytes }: ChunkHeader): Uint8Array | undefined {
    const byteLength = chunkCountOf(totalBytes) * CHUNK_BYTES;
    const key = `${runHash} ${step % 2}`;
    const known = this.#areas.get(key);
    this.#areas.delete(key);
    if (known !== undefined && known.byteLength !== byteLength) this.#memory.release(known);
    const area = known?.byteLength === byteLength ? known : this.#newArea(byteLength);
    if (area !== undefined) this.#areas.set(key, area);
    return area;
  }

  #newArea(byteLength: number): Uint8Array | undefined {
    const [oldest] = this.#areas;
    if (oldest !== undefined && this.#areas.size >= 2 * RUNS_KEPT) {
      this.#areas.delete(oldest[0]);
      this.#memory.release(oldest[1]);
    }
    return byteLength > MOST_BYTES ? undefined : this.#memory.allocate(byteLength);
  }
}
