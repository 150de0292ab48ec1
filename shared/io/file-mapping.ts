/**
 * Files on a memory file system, mapped over parts of a vector memory: what one process writes there another one reads,
 * sums and updates, without a copy and without a system call. Needs `mmap`, which the optional package koffi calls;
 * where that cannot be loaded, or a page that was mapped does not show what its file says, there is no mapping.
 */
import { closeSync, fstatSync, openSync, rmSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { VectorMemory } from "../core/vectors/vector-memory.js";

/** Holds for any page size that Node runs on. */
const PAGE_BYTES = 65_536;
const READ_WRITE = 0x1 | 0x2;
const SHARED_FIXED = 0x01 | 0x10;
const PRIVATE_FIXED_ANONYMOUS = 0x02 | 0x10 | 0x20;
/** Larger files are nobody's frames. */
const MAX_BYTES = 1024 * 1024 * 1024;

type Mmap = (
  at: Uint8Array,
  byteLength: number,
  protection: number,
  flags: number,
  descriptor: number,
  offset: number,
) => number | bigint;

interface Koffi {
  load(library: null): { func(declaration: string): Mmap };
}

export class FileMapping {
  readonly vectors = new VectorMemory();
  readonly #mmap: Mmap;

  private constructor(mmap: Mmap) {
    this.#mmap = mmap;
  }

  /** Undefined where files cannot be mapped. `directory`: on a memory file system. */
  static open(directory: string): FileMapping | undefined {
    // The flags above are Linux's.
    if (process.platform !== "linux") return undefined;
    try {
      const koffi = createRequire(import.meta.url)("koffi") as Koffi;
      const mmap = koffi
        .load(null)
        .func(
          "intptr_t mmap(void *at, size_t length, int protection, int flags, int descriptor, int64_t offset)",
        );
      const mapping = new FileMapping(mmap);
      return mapping.#works(directory) ? mapping : undefined;
    } catch {
      return undefined;
    }
  }

  /** Makes a file of so many zeros, all of them there in memory, and maps it. Throws when it cannot be had. */
  create(path: string, byteLength: number): Uint8Array<SharedArrayBuffer> {
    const size = Math.ceil(byteLength / PAGE_BYTES) * PAGE_BYTES;
    const descriptor = openSync(path, "wx+", 0o600);
    try {
      const zeros = new Uint8Array(PAGE_BYTES);
      // A hole in the file would be filled when it is first touched, and the process killed where there is no memory.
      for (let at = 0; at < size; at += PAGE_BYTES)
        if (writeSync(descriptor, zeros, 0, PAGE_BYTES, at) !== PAGE_BYTES) throw new Error("no more memory");
      return this.#map(descriptor, size).subarray(0, byteLength);
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    } finally {
      closeSync(descriptor);
    }
  }

  /** Maps a file of another process. Throws when it cannot. */
  attach(path: string): Uint8Array<SharedArrayBuffer> {
    const descriptor = openSync(path, "r+");
    try {
      const { size } = fstatSync(descriptor);
      if (size === 0 || size > MAX_BYTES || size % PAGE_BYTES !== 0)
        throw new RangeError("not a mapped file");
      return this.#map(descriptor, size);
    } finally {
      closeSync(descriptor);
    }
  }

  /** Puts ordinary memory in the place of a mapped file; who else has it mapped keeps it. */
  detach(bytes: Uint8Array): void {
    const size = Math.ceil(bytes.byteLength / PAGE_BYTES) * PAGE_BYTES;
    const whole = new Uint8Array(bytes.buffer, bytes.byteOffset, size);
    if (Number(this.#mmap(whole, size, READ_WRITE, PRIVATE_FIXED_ANONYMOUS, -1, 0)) === -1)
      throw new Error("cannot unmap a file");
    this.vectors.release(whole, PAGE_BYTES);
  }

  #map(descriptor: number, size: number): Uint8Array<SharedArrayBuffer> {
    const place = this.vectors.reserve(size, PAGE_BYTES);
    if (Number(this.#mmap(place, size, READ_WRITE, SHARED_FIXED, descriptor, 0)) === -1) {
      this.vectors.release(place, PAGE_BYTES);
      throw new Error("cannot map a file");
    }
    return place;
  }

  /** Does a page show what was written to its file, and the file what was written to the page? */
  #works(directory: string): boolean {
    const path = join(directory, `probe-${process.pid}-00000000`);
    const mine = this.create(path, PAGE_BYTES);
    try {
      const again = this.attach(path);
      mine[1] = 7;
      const seen = again[1] === 7;
      this.detach(again);
      return seen && mine[1] === 7 && again[1] !== 7;
    } finally {
      rmSync(path, { force: true });
      this.detach(mine);
    }
  }
}
