/**
 * A bus between processes of one machine and one user: large payloads lie in shared memory (files on a memory file
 * system), the inner bus carries references to them. Everything above sees an ordinary bus; who may say what stays the
 * inner bus's decision. As NCCL and Gloo do within a host, because the loopback is dear: a megabyte through nats-server
 * costs 3 to 5 ms of CPU, written to a file and read from it 0.3 ms.
 *
 * What was allocated as `mapped` memory stays where it is: readers map it too. Its writer breaks a frame's seal before
 * he changes it, so readers know whether they read it whole. All else is written to a ring, one for each writer, far
 * larger than the credits of a sender. A reader that falls behind a whole ring still reads bytes, but wrong ones: the
 * chunk's checksum refuses them, and the protocol sends them again.
 */
import { closeSync, openSync, readSync, readdirSync, rmSync, rmdirSync, writeSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Bus, BusMessage, MappedMemory, Subscription } from "../bus.js";
import { isToken } from "../subjects.js";
import { FileMapping } from "./file-mapping.js";

/** Below this a payload travels by value. */
const REFERENCE_BYTES = 16 * 1024;
const RING_BYTES = 32 * 1024 * 1024;
const RING_MAGIC = 0x53414652; // "SAFR"
const MAPPED_MAGIC = 0x5341464d; // "SAFM"
/** Magic, length, offset, then the file's name. */
const HEADER_BYTES = 16;
const FILE_NAME = /-[0-9a-f]{8}$/;
/** Says whose the folder is; of the processes in it, the last one to end removes it with the folder. */
const LEAST_MAPPED_BYTES = 16 * 1024;

export const OWNER_FILE = "owner.json";
/** Files of workers that are long gone. */
const OPEN_FILES = 128;
/** Compared before and after a frame is read from a file: a chunk's header, which is broken before the rest changes. */
const SEAL_BYTES = 64;

export interface SharedMemoryOptions {
  /** A folder on a memory file system that only this user may enter. */
  directory: string;
  /** Names the writer. */
  identity: string;
  /** Map files where this system can; true by default. */
  map?: boolean;
}

export function sharedMemoryBus(inner: Bus, options: SharedMemoryOptions): Bus {
  return new SharedMemoryBus(inner, options);
}

/** Takes away a folder of rings whose owner is gone: memory that nobody else would free. Other files in it stay. */
export function removeRings(directory: string | undefined): void {
  if (directory === undefined) return;
  try {
    for (const name of readdirSync(directory).filter((each) => FILE_NAME.test(each)))
      rmSync(join(directory, name), { force: true });
    if (readdirSync(directory).every((name) => name === OWNER_FILE))
      rmSync(join(directory, OWNER_FILE), { force: true });
    rmdirSync(directory);
  } catch {
    // Another process of the cluster was faster.
  }
}

/** Takes away what a former process of this name has left in a folder that nobody else tidies. */
export function removeFilesOf(directory: string, identity: string): void {
  try {
    const own = readdirSync(directory).filter(
      (name) => FILE_NAME.test(name) && name.slice(0, -9) === identity,
    );
    for (const name of own) rmSync(join(directory, name), { force: true });
  } catch {
    // There is no such folder, or nothing of it is ours.
  }
}

class SharedMemoryBus implements Bus {
  readonly #inner: Bus;
  readonly #directory: string;
  readonly #identity: string;
  readonly #name: string;
  readonly #readers = new Map<string, number>();
  readonly #mapping: FileMapping | undefined;
  /** Mapped files: ours, and those of others. */
  readonly #own = new Map<string, Uint8Array>();
  readonly #attached = new Map<string, Uint8Array>();
  readonly mapped: MappedMemory | undefined;
  #buffer = new Uint8Array(512 * 1024);
  /** The ring's descriptor; undefined once it could not be written: then payloads travel by value. */
  #ring: number | undefined;
  #position = 0;

  constructor(inner: Bus, { directory, identity, map = true }: SharedMemoryOptions) {
    this.#inner = inner;
    this.#directory = directory;
    this.#identity = identity;
    this.#name = this.#newName();
    this.#mapping = map ? FileMapping.open(directory) : undefined;
    this.mapped = this.#mapping === undefined ? undefined : this.#mappedMemory(this.#mapping);
    try {
      this.#ring = openSync(join(directory, this.#name), "wx", 0o600);
    } catch {
      this.#ring = undefined;
    }
  }

  get connected(): boolean {
    return this.#inner.connected;
  }

  get maxPayload(): number {
    return this.#inner.maxPayload;
  }

  publish(subject: string, data: Uint8Array): void {
    const mapped = this.#referenceTo(data);
    if (mapped !== undefined) {
      this.#inner.publish(subject, mapped);
      return;
    }
    const fits = data.byteLength >= REFERENCE_BYTES && data.byteLength <= this.maxPayload;
    const reference = fits && this.connected ? this.#store(data) : undefined;
    this.#inner.publish(subject, reference ?? data);
  }

  subscribe(pattern: string, handler: (message: BusMessage) => void): Subscription {
    return this.#inner.subscribe(pattern, (message) => {
      const reference = parseReference(message.data);
      if (reference === undefined) {
        handler(message);
        return;
      }
      const { inPlace } = reference;
      const data = inPlace ? this.#view(reference) : this.#load(reference);
      if (data !== undefined)
        handler({ ...message, data, inPlace, respond: (reply) => message.respond(reply) });
    });
  }

  request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return this.#inner.request(subject, data, timeoutMs);
  }

  flush(): Promise<void> {
    return this.#inner.flush();
  }

  onConnection(handler: (connected: boolean) => void): void {
    this.#inner.onConnection(handler);
  }

  async close(): Promise<void> {
    await this.#inner.close();
    for (const descriptor of this.#readers.values()) closeSync(descriptor);
    this.#readers.clear();
    for (const name of this.#own.keys()) rmSync(join(this.#directory, name), { force: true });
    if (this.#ring === undefined) return;
    closeSync(this.#ring);
    this.#ring = undefined;
    rmSync(join(this.#directory, this.#name), { force: true });
  }

  /** Writes the payload into our ring. Undefined when that fails: the memory file system is full, or gone. */
  #store(data: Uint8Array): Uint8Array | undefined {
    if (this.#ring === undefined) return undefined;
    if (this.#position + data.byteLength > RING_BYTES) this.#position = 0;
    const offset = this.#position;
    try {
      if (writeSync(this.#ring, data, 0, data.byteLength, offset) !== data.byteLength) return undefined;
    } catch {
      closeSync(this.#ring);
      this.#ring = undefined;
      return undefined;
    }
    this.#position += data.byteLength;
    return writeReference(RING_MAGIC, this.#name, offset, data.byteLength);
  }

  /** The payload, valid until the next one is read; undefined when it is not there (any more). */
  #load({ name, offset, length }: Reference): Uint8Array | undefined {
    if (length > this.maxPayload) return undefined;
    if (length > this.#buffer.byteLength) this.#buffer = new Uint8Array(length);
    try {
      const descriptor = this.#readers.get(name) ?? this.#open(name);
      const bytes = readSync(descriptor, this.#buffer, 0, length, offset);
      return bytes === length ? this.#buffer.subarray(0, length) : undefined;
    } catch {
      return undefined;
    }
  }

  #open(name: string): number {
    const descriptor = openSync(join(this.#directory, name), "r");
    const oldest = this.#readers.size >= OPEN_FILES ? [...this.#readers][0] : undefined;
    if (oldest !== undefined) {
      closeSync(oldest[1]);
      this.#readers.delete(oldest[0]);
    }
    this.#readers.set(name, descriptor);
    return descriptor;
  }

  // ---- Mapped files -------------------------------------------------------------------------------------------

  #newName(): string {
    return `${this.#identity}-${randomBytes(4).toString("hex")}`.slice(-32);
  }

  #mappedMemory(mapping: FileMapping): MappedMemory {
    return {
      vectors: mapping.vectors,
      allocate: (byteLength) => {
        // To make, map and remove a file takes longer than to copy so little.
        if (byteLength < LEAST_MAPPED_BYTES) return undefined;
        const name = this.#newName();
        try {
          const bytes = mapping.create(join(this.#directory, name), byteLength);
          this.#own.set(name, bytes);
          return bytes;
        } catch {
          return undefined;
        }
      },
      release: (bytes) => {
        for (const [name, own] of this.#own) {
          if (own.byteOffset !== bytes.byteOffset) continue;
          this.#own.delete(name);
          rmSync(join(this.#directory, name), { force: true });
          mapping.detach(own);
        }
      },
    };
  }

  /** What to say of bytes that lie in a mapped file of ours. */
  #referenceTo(data: Uint8Array): Uint8Array | undefined {
    if (this.#mapping?.vectors.holds(data) !== true) return undefined;
    for (const [name, { byteOffset, byteLength }] of this.#own) {
      const offset = data.byteOffset - byteOffset;
      if (offset >= 0 && offset + data.byteLength <= byteLength)
        return writeReference(MAPPED_MAGIC, name, offset, data.byteLength);
    }
    return undefined;
  }

  /** The bytes where they lie; undefined when they are not there (any more). */
  #view(reference: Reference): Uint8Array | undefined {
    const { name, offset, length } = reference;
    if (length > this.maxPayload || length < SEAL_BYTES || offset % 4 !== 0) return undefined;
    if (this.#mapping === undefined) return this.#loadSealed(reference);
    let file = this.#attached.get(name);
    if (file === undefined) {
      try {
        file = this.#mapping.attach(join(this.#directory, name));
      } catch {
        return undefined;
      }
      const oldest = this.#attached.size >= OPEN_FILES ? [...this.#attached][0] : undefined;
      if (oldest !== undefined) {
        this.#mapping.detach(oldest[1]);
        this.#attached.delete(oldest[0]);
      }
      this.#attached.set(name, file);
    }
    return offset + length <= file.byteLength ? file.subarray(offset, offset + length) : undefined;
  }

  /** A copy of them, for a process that cannot map files while others can. */
  #loadSealed(reference: Reference): Uint8Array | undefined {
    const data = this.#load(reference)?.slice();
    const again = this.#load({ ...reference, length: Math.min(SEAL_BYTES, reference.length) });
    const isWhole = again?.every((byte, i) => data?.[i] === byte) === true;
    return isWhole ? data : undefined;
  }
}

interface Reference {
  inPlace: boolean;
  name: string;
  offset: number;
  length: number;
}

function writeReference(magic: number, name: string, offset: number, length: number): Uint8Array {
  const encoded = new TextEncoder().encode(name);
  const reference = new Uint8Array(HEADER_BYTES + encoded.byteLength);
  const view = new DataView(reference.buffer);
  view.setUint32(0, magic);
  view.setUint32(4, length, true);
  view.setFloat64(8, offset, true);
  reference.set(encoded, HEADER_BYTES);
  return reference;
}

/** Undefined for a message that is none, and for one whose name could lead out of the folder. */
function parseReference(data: Uint8Array): Reference | undefined {
  if (data.byteLength <= HEADER_BYTES || data.byteLength > HEADER_BYTES + 32) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const magic = view.getUint32(0);
  if (magic !== RING_MAGIC && magic !== MAPPED_MAGIC) return undefined;
  const name = new TextDecoder().decode(data.subarray(HEADER_BYTES));
  const offset = view.getFloat64(8, true);
  if (!isToken(name) || !Number.isSafeInteger(offset) || offset < 0) return undefined;
  return { inPlace: magic === MAPPED_MAGIC, name, offset, length: view.getUint32(4, true) };
}
