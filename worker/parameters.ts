/**
 * Parameter versions as they come in: broadcast chunks are assembled in two shared buffers, one being read by the
 * engine while the next fills. What did not come is pulled.
 */
import { type Bus, RequestError } from "../shared/bus.js";
import { pause } from "../shared/clock.js";
import {
  type ChunkHeader,
  bodyLength,
  chunkCountOf,
  decodeChunk,
  roundedInChunk,
  sealOf,
  valuesOfChunk,
} from "../shared/core/chunk.js";
import { type Rounded, codecOf, readBody, encodedLength } from "../shared/core/codec.js";
import { readMessage, wire, writeMessage } from "../shared/messages.js";
import { type RetryEdges, type RetryPolicy, retry } from "../shared/retry.js";

interface VersionAssembly {
  version: number;
  memory: SharedArrayBuffer;
  values: Float32Array;
  have: Uint8Array;
  missing: number;
}

export interface ParameterIdentity {
  runId: string;
  runHash: string;
  /** Values of the vector. */
  size: number;
  /** As a run in bf16 trains with it: so many of its values, from the first one on, are rounded. */
  rounded?: Rounded;
}

/** Where vectors are pulled. */
export interface VectorSources extends RetryEdges {
  bus: Bus;
  pullSubject: string;
}

/** Where one of several vectors lies. */
export type VectorPlace = (which: number, byteLength: number) => SharedArrayBuffer;

/** A pull whose request failed is repeated after a pause; one that left chunks out, at once. */
const PULL_RETRIES: RetryPolicy = {
  attempts: Infinity,
  pauseMs: (_, failure) => (failure === undefined ? 0 : 100),
};
const PULL_TIMEOUT_MS = 2000;
/** A broadcast that has begun gets this long before the rest is pulled. */
const BROADCAST_GRACE_MS = 250;
const LATE_JOINER_GRACE_MS = 25;

export class ParameterReceiver {
  readonly identity: ParameterIdentity;
  readonly #sources: VectorSources;
  readonly #totalBytes: number;
  readonly #assemblies: VersionAssembly[];
  #term = 0;
  readonly #waiting = new Set<{ version: number; resolve: () => void }>();
  /** Chunks refused since the start, by reason. */
  readonly refused = new Map<string, number>();

  constructor(
    sources: VectorSources,
    identity: ParameterIdentity,
    place: VectorPlace = (_, byteLength) => new SharedArrayBuffer(byteLength),
  ) {
    this.identity = identity;
    this.#sources = sources;
    this.#totalBytes = identity.size * 4;
    this.#assemblies = [0, 1].map((which) => {
      const memory = place(which, this.#totalBytes);
      const chunks = chunkCountOf(this.#totalBytes);
      return {
        version: -1,
        memory,
        values: new Float32Array(memory, 0, identity.size),
        have: new Uint8Array(chunks),
        missing: chunks,
      };
    });
  }

  /**
   * Takes one frame of a broadcast; returns false for another run's and refused ones. `inPlace`: the frame is read where
   * the coordinator keeps it.
   */
  accept(frame: Uint8Array, inPlace = false): boolean {
    const seal = inPlace ? sealOf(frame) : 0;
    const decoded = decodeChunk(frame, inPlace);
    if (!decoded.ok) {
      this.#count(decoded.reason);
      return false;
    }
    const { header, body } = decoded;
    if (header.kind !== "parameters" || header.runHash !== this.identity.runHash) return false;
    const misfit = this.#misfitOf(header, body);
    if (misfit !== undefined) {
      this.#count(misfit);
      return false;
    }
    if (header.term !== this.#term) {
      // A term comes with a lease, from the coordinator that took us in; what a newer one sends before is pulled then.
      if (header.term < this.#term) this.#count("fenced");
      return false;
    }
    const assembly = this.#begin(header.step);
    if (assembly === undefined || assembly.have[header.chunk] === 1) return false;
    readBody(valuesOfChunk(assembly.values, header.chunk), body, this.#roundedIn(header.chunk));
    if (inPlace && sealOf(frame) !== seal) {
      this.#count("checksum");
      return false;
    }
    assembly.have[header.chunk] = 1;
    assembly.missing--;
    if (assembly.missing === 0) this.#arrived(assembly.version);
    return true;
  }

  /**
   * The vector of a version, complete. Resolves to undefined when the coordinator says that it has only a later one, and
   * when the signal aborts. The memory is overwritten by version + 2. A later coordinator term may have gone back to an
   * earlier version.
   */
  async take(version: number, term: number): Promise<SharedArrayBuffer | undefined> {
    this.enter(term);
    const assembly = this.#begin(version);
    if (assembly === undefined) return undefined;
    const begun = assembly.missing < assembly.have.length;
    if (assembly.missing > 0) await this.#arrival(version, begun ? BROADCAST_GRACE_MS : LATE_JOINER_GRACE_MS);
    await retry(PULL_RETRIES, this.#sources, () => this.#pull(assembly, version));
    return assembly.version === version && assembly.missing === 0 ? assembly.memory : undefined;
  }

  /** The vector of a version that was computed here, and that the coordinator has taken: nobody need send it. */
  keep(version: number, term: number, values: Float32Array): void {
    this.enter(term);
    const assembly = this.#begin(version);
    if (assembly === undefined || assembly.missing === 0) return;
    assembly.values.set(values);
    assembly.have.fill(1);
    assembly.missing = 0;
    this.#arrived(version);
  }

  /** From now on frames of this coordinator count, and of none before it. */
  enter(term: number): void {
    if (term <= this.#term) return;
    this.#term = term;
    for (const assembly of this.#assemblies) assembly.version = -1;
  }

  /** Why the frame cannot be one of ours; undefined when it can. */
  #misfitOf({ codec, chunk, totalBytes }: ChunkHeader, body: Uint8Array): "size" | "codec" | undefined {
    if (totalBytes !== this.#totalBytes) return "size";
    if (codec !== codecOf(this.identity.rounded)) return "codec";
    const values = bodyLength(totalBytes, chunk) / 4;
    return body.byteLength === encodedLength(values, this.#roundedIn(chunk)) ? undefined : "size";
  }

  #roundedIn(chunk: number): number {
    return roundedInChunk(this.#totalBytes, chunk, this.identity.rounded);
  }

  /** The buffer of a version, which takes it over from an older one; undefined when the buffer has gone past it. */
  #begin(version: number): VersionAssembly | undefined {
    const assembly = this.#assemblies[version % 2] as VersionAssembly;
    if (assembly.version > version) return undefined;
    if (assembly.version < version) {
      assembly.version = version;
      assembly.have.fill(0);
      assembly.missing = assembly.have.length;
    }
    return assembly;
  }

  /** Resolves when the version is complete, and at the latest when the time is up or the signal aborts. */
  async #arrival(version: number, patienceMs: number): Promise<void> {
    const { clock, signal } = this.#sources;
    const arrived = new AbortController();
    const arrival = { version, resolve: () => arrived.abort() };
    this.#waiting.add(arrival);
    signal.addEventListener("abort", arrival.resolve, { once: true });
    await pause(clock, patienceMs, arrived.signal);
    signal.removeEventListener("abort", arrival.resolve);
    this.#waiting.delete(arrival);
  }

  #arrived(version: number): void {
    for (const arrival of this.#waiting) if (arrival.version === version) arrival.resolve();
  }

  /** Asks for each missing chunk. Answers when the vector is complete, or is not to be had. */
  async #pull(assembly: VersionAssembly, version: number): Promise<"complete" | "gone" | undefined> {
    const { bus, pullSubject } = this.#sources;
    for (let chunk = 0; chunk < assembly.have.length; chunk++) {
      if (assembly.version !== version) return "gone";
      if (assembly.have[chunk] === 1) continue;
      const { runId } = this.identity;
      const rounded = this.identity.rounded !== undefined;
      const request = writeMessage(wire.ParamRequest, { runId, version, chunk, rounded });
      try {
        const reply = readMessage(wire.ParamReply, await bus.request(pullSubject, request, PULL_TIMEOUT_MS));
        if (reply === undefined || reply.error?.message || reply.chunk.byteLength === 0) return "gone";
        const isTaken = this.accept(reply.chunk) || assembly.have[chunk] === 1;
        // Whole, and another coordinator's or another version's: who answers now does not have what was asked for.
        if (!isTaken && decodeChunk(reply.chunk).ok) return "gone";
      } catch (error) {
        if (error instanceof RequestError && error.failure === "closed") return "gone";
        throw error;
      }
    }
    return assembly.missing === 0 ? "complete" : undefined;
  }

  #count(reason: string): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
  }
}
