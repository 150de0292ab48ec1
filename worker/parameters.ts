/**
 * Parameter versions as they come in: broadcast chunks are assembled in two shared buffers, one being read by the
 * engine while the next fills. What did not come is pulled.
 */
import { type Bus, RequestError } from "../shared/bus.js";
import { chunkCountOf, decodeChunk, sealOf } from "../shared/core/chunk.js";
import { readMessage, wire, writeMessage } from "../shared/messages.js";

interface Assembly {
  version: number;
  memory: SharedArrayBuffer;
  bytes: Uint8Array;
  have: Uint8Array;
  missing: number;
}

export interface ParameterIdentity {
  runId: string;
  runHash: string;
  /** Values of the vector. */
  size: number;
}

/** A pull that brought nothing is repeated after this long. */
const PULL_PAUSE_MS = 100;
const PULL_TIMEOUT_MS = 2000;
/** A broadcast that has begun gets this long before the rest is pulled. */
const BROADCAST_GRACE_MS = 250;
const LATE_JOINER_GRACE_MS = 25;

export class ParameterReceiver {
  readonly identity: ParameterIdentity;
  readonly #bus: Bus;
  readonly #subject: string;
  readonly #totalBytes: number;
  readonly #assemblies: Assembly[];
  #term = 0;
  #waiting: { version: number; resolve: () => void } | undefined;
  /** Chunks refused since the start, by reason. */
  readonly refused = new Map<string, number>();

  constructor(bus: Bus, pullSubject: string, identity: ParameterIdentity) {
    this.identity = identity;
    this.#bus = bus;
    this.#subject = pullSubject;
    this.#totalBytes = identity.size * 4;
    this.#assemblies = [0, 1].map(() => {
      const memory = new SharedArrayBuffer(this.#totalBytes);
      const chunks = chunkCountOf(this.#totalBytes);
      return {
        version: -1,
        memory,
        bytes: new Uint8Array(memory),
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
    if (header.totalBytes !== this.#totalBytes) {
      this.#count("size");
      return false;
    }
    if (header.term < this.#term) {
      this.#count("fenced");
      return false;
    }
    this.#enter(header.term);
    const assembly = this.#begin(header.step);
    if (assembly === undefined || assembly.have[header.chunk] === 1) return false;
    assembly.bytes.set(body, header.offset);
    if (inPlace && sealOf(frame) !== seal) {
      this.#count("checksum");
      return false;
    }
    assembly.have[header.chunk] = 1;
    assembly.missing--;
    if (assembly.missing === 0 && this.#waiting?.version === assembly.version) this.#waiting.resolve();
    return true;
  }

  /**
   * The vector of a version, complete. Resolves to undefined when the coordinator says that it has only a later one.
   * The memory is overwritten by version + 2. A later coordinator term may have gone back to an earlier version.
   * `signal` gives up.
   */
  async take(version: number, term: number, signal: AbortSignal): Promise<SharedArrayBuffer | undefined> {
    this.#enter(term);
    const assembly = this.#begin(version);
    if (assembly === undefined) return undefined;
    const begun = assembly.missing < assembly.have.length;
    if (assembly.missing > 0)
      await this.#arrival(version, begun ? BROADCAST_GRACE_MS : LATE_JOINER_GRACE_MS, signal);
    while (assembly.missing > 0 && assembly.version === version && !signal.aborted) {
      if (!(await this.#pull(assembly, version))) return undefined;
    }
    return assembly.version === version && assembly.missing === 0 ? assembly.memory : undefined;
  }

  #enter(term: number): void {
    if (term <= this.#term) return;
    this.#term = term;
    for (const assembly of this.#assemblies) assembly.version = -1;
  }

  /** The buffer of a version, which takes it over from an older one; undefined when the buffer has gone past it. */
  #begin(version: number): Assembly | undefined {
    const assembly = this.#assemblies[version % 2] as Assembly;
    if (assembly.version > version) return undefined;
    if (assembly.version < version) {
      assembly.version = version;
      assembly.have.fill(0);
      assembly.missing = assembly.have.length;
    }
    return assembly;
  }

  async #arrival(version: number, patienceMs: number, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(finish, patienceMs);
      signal.addEventListener("abort", finish, { once: true });
      this.#waiting = { version, resolve: finish };
      function finish(): void {
        clearTimeout(timer);
        signal.removeEventListener("abort", finish);
        resolve();
      }
    });
    this.#waiting = undefined;
  }

  /** Asks for each missing chunk; false when the version is gone. */
  async #pull(assembly: Assembly, version: number): Promise<boolean> {
    for (let chunk = 0; chunk < assembly.have.length; chunk++) {
      if (assembly.have[chunk] === 1) continue;
      try {
        const request = writeMessage(wire.ParamRequest, { runId: this.identity.runId, version, chunk });
        const reply = readMessage(
          wire.ParamReply,
          await this.#bus.request(this.#subject, request, PULL_TIMEOUT_MS),
        );
        if (reply === undefined || reply.error?.message) return false;
        if (reply.chunk.byteLength === 0) return false;
        this.accept(reply.chunk);
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        if (error.failure === "closed") return false;
        await new Promise((resolve) => setTimeout(resolve, PULL_PAUSE_MS));
        return true;
      }
    }
    return true;
  }

  #count(reason: string): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
  }
}
