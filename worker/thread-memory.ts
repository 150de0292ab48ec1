/**
 * Memory that the threads of a worker share. V8 counts none of it, so a worker that left it to the collector would grow
 * until the machine is full: whoever takes some gives it back by name, and it is used again.
 */
export class ThreadMemory {
  /** What was given back, by size. */
  readonly #free = new Map<number, SharedArrayBuffer[]>();
  #allocatedBytes = 0;

  /** Taken from the system so far. */
  get allocatedBytes(): number {
    return this.#allocatedBytes;
  }

  /** Bytes of any content. */
  take(byteLength: number): SharedArrayBuffer {
    const again = this.#free.get(byteLength)?.pop();
    if (again !== undefined) return again;
    this.#allocatedBytes += byteLength;
    return new SharedArrayBuffer(byteLength);
  }

  giveBack(memory: SharedArrayBuffer): void {
    const free = this.#free.get(memory.byteLength) ?? [];
    free.push(memory);
    this.#free.set(memory.byteLength, free);
  }
}

/** What one run has of it, by name. */
export class RunMemory {
  readonly #memory: ThreadMemory;
  readonly #named = new Map<string, SharedArrayBuffer>();

  constructor(memory: ThreadMemory) {
    this.#memory = memory;
  }

  /** The memory of this name, of this size at least; the same again, with what it held, where it is large enough. */
  of(name: string, byteLength: number): SharedArrayBuffer {
    const known = this.#named.get(name);
    if (known !== undefined && known.byteLength >= byteLength) return known;
    if (known !== undefined) this.#memory.giveBack(known);
    const taken = this.#memory.take(byteLength);
    this.#named.set(name, taken);
    return taken;
  }

  /** The run is forgotten: nobody uses any of it any more. */
  giveBack(): void {
    for (const memory of this.#named.values()) this.#memory.giveBack(memory);
    this.#named.clear();
  }
}
