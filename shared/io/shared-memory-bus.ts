/**
 * A bus between processes of one machine and one user: large payloads lie in shared memory (a ring file on a memory
 * file system, one for each writer), the inner bus carries references to them. Everything above sees an ordinary bus;
 * who may say what stays the inner bus's decision. As NCCL and Gloo do within a host, because the loopback is dear:
 * a megabyte through nats-server costs 3 to 5 ms of CPU, written and read here 0.3 ms.
 *
 * The ring is far larger than the credits of a sender. A reader that falls behind a whole ring still reads bytes, but
 * wrong ones: the chunk's checksum refuses them, and the protocol sends them again.
 */
import { closeSync, openSync, readSync, readdirSync, rmSync, rmdirSync, writeSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Bus, BusMessage, Subscription } from "../bus.js";
import { isToken } from "../subjects.js";

/** Below this a payload travels by value. */
const REFERENCE_BYTES = 16 * 1024;
const RING_BYTES = 32 * 1024 * 1024;
const MAGIC = 0x53414652; // "SAFR"
/** Magic, length, offset, then the ring's name. */
const HEADER_BYTES = 16;
const RING_NAME = /-[0-9a-f]{8}$/;
/** Rings of workers that are long gone. */
const OPEN_RINGS = 128;

export interface SharedMemoryOptions {
  /** A folder on a memory file system that only this user may enter. */
  directory: string;
  /** Names the writer. */
  identity: string;
}

export function sharedMemoryBus(inner: Bus, options: SharedMemoryOptions): Bus {
  return new SharedMemoryBus(inner, options);
}

/** Takes away a folder of rings whose owner is gone: memory that nobody else would free. Other files in it stay. */
export function removeRings(directory: string | undefined): void {
  if (directory === undefined) return;
  try {
    for (const name of readdirSync(directory).filter((each) => RING_NAME.test(each)))
      rmSync(join(directory, name), { force: true });
    rmdirSync(directory);
  } catch {
    // Another process of the cluster was faster.
  }
}

class SharedMemoryBus implements Bus {
  readonly #inner: Bus;
  readonly #directory: string;
  readonly #name: string;
  readonly #encodedName: Uint8Array;
  readonly #readers = new Map<string, number>();
  #buffer = new Uint8Array(512 * 1024);
  /** The ring's descriptor; undefined once it could not be written: then payloads travel by value. */
  #ring: number | undefined;
  #position = 0;

  constructor(inner: Bus, { directory, identity }: SharedMemoryOptions) {
    this.#inner = inner;
    this.#directory = directory;
    this.#name = `${identity}-${randomBytes(4).toString("hex")}`.slice(-32);
    this.#encodedName = new TextEncoder().encode(this.#name);
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
      const data = this.#load(reference);
      if (data !== undefined)
        handler({ subject: message.subject, data, respond: (reply) => message.respond(reply) });
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
    const reference = new Uint8Array(HEADER_BYTES + this.#encodedName.byteLength);
    const view = new DataView(reference.buffer);
    view.setUint32(0, MAGIC);
    view.setUint32(4, data.byteLength, true);
    view.setFloat64(8, offset, true);
    reference.set(this.#encodedName, HEADER_BYTES);
    return reference;
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
    const oldest = this.#readers.size >= OPEN_RINGS ? [...this.#readers][0] : undefined;
    if (oldest !== undefined) {
      closeSync(oldest[1]);
      this.#readers.delete(oldest[0]);
    }
    this.#readers.set(name, descriptor);
    return descriptor;
  }
}

interface Reference {
  name: string;
  offset: number;
  length: number;
}

/** Undefined for a message that is none, and for one whose name could lead out of the folder. */
function parseReference(data: Uint8Array): Reference | undefined {
  if (data.byteLength <= HEADER_BYTES || data.byteLength > HEADER_BYTES + 32) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (view.getUint32(0) !== MAGIC) return undefined;
  const name = new TextDecoder().decode(data.subarray(HEADER_BYTES));
  const offset = view.getFloat64(8, true);
  if (!isToken(name) || !Number.isInteger(offset) || offset < 0 || offset > RING_BYTES) return undefined;
  return { name, offset, length: view.getUint32(4, true) };
}
