/** Data parts by content hash: from the worker's store where they are right, else over the bus; verified before use. */
import { createHash } from "node:crypto";
import type { Bus } from "../shared/bus.js";
import { ClusterError } from "../shared/errors.js";
import { readMessage, wire, writeMessage } from "../shared/messages.js";
import { type RetryEdges, type RetryPolicy, retry } from "../shared/retry.js";

/** One request fetches this much; answers stay below any server's payload limit. */
const RANGE_BYTES = 256 * 1024;
const RANGE_TIMEOUT_MS = 10_000;
const RANGE_RETRIES: RetryPolicy = { attempts: 30, pauseMs: () => 200 };
/** Requests in flight: about 2 MB, well inside the credits of a connection. */
const CONCURRENT = 8;
/** Parts are some megabytes; the coordinator's word for more is not taken. */
const MAX_PART_BYTES = 256 * 1024 * 1024;

export interface PartDescription {
  sha256: string;
  byteLength: number;
}

/** Keeps parts from one process to the next. What it gives is verified: it may have lost or damaged a part. */
export interface PartStore {
  get(sha256: string): Promise<Uint8Array | undefined>;
  /** Keeping is a help, not a duty: it rejects never. */
  put(sha256: string, bytes: Uint8Array): Promise<void>;
}

export interface PartSources extends RetryEdges {
  bulk: Bus;
  subject: string;
  store: PartStore;
}

export class DataParts {
  readonly #sources: PartSources;

  constructor(sources: PartSources) {
    this.#sources = sources;
  }

  /**
   * The bytes of one part. Throws ClusterError("data") when what the coordinator serves does not match its hash,
   * ClusterError("dependency") when it does not answer, and the signal's reason when that aborts.
   */
  async fetch(part: PartDescription): Promise<Uint8Array> {
    // The hash becomes the name of a file, the length an allocation.
    if (!/^[0-9a-f]{64}$/.test(part.sha256) || !(part.byteLength >= 0 && part.byteLength <= MAX_PART_BYTES)) {
      throw new ClusterError("data", "The coordinator describes a data part that cannot be one", {
        hint: `SHA-256 ${JSON.stringify(part.sha256.slice(0, 80))}, ${part.byteLength} bytes`,
      });
    }
    const { store } = this.#sources;
    const kept = await store.get(part.sha256);
    if (kept !== undefined && sha256(kept) === part.sha256) return kept;

    const bytes = await this.#fetchAll(part);
    const found = sha256(bytes);
    if (found !== part.sha256) {
      throw new ClusterError(
        "data",
        `Data part from the coordinator is corrupt: expected SHA-256 ${part.sha256}, found ${found}`,
      );
    }
    await store.put(part.sha256, bytes);
    return bytes;
  }

  async #fetchAll(part: PartDescription): Promise<Uint8Array> {
    const bytes = new Uint8Array(part.byteLength);
    let next = 0;
    const fetchRanges = async (): Promise<void> => {
      for (let offset = next; offset < part.byteLength; offset = next) {
        next += RANGE_BYTES;
        bytes.set(await this.#fetchRange(part, offset), offset);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENT }, fetchRanges));
    return bytes;
  }

  async #fetchRange(part: PartDescription, offset: number): Promise<Uint8Array> {
    const { bulk, subject, signal } = this.#sources;
    const length = Math.min(RANGE_BYTES, part.byteLength - offset);
    const request = writeMessage(wire.DataRequest, { sha256: part.sha256, offset, length });
    const fetched = await retry(RANGE_RETRIES, this.#sources, async () => {
      const reply = readMessage(wire.DataRange, await bulk.request(subject, request, RANGE_TIMEOUT_MS));
      if (reply?.body.byteLength === length) return reply.body;
      const why = reply?.error?.message ?? "an answer of the wrong size";
      throw new ClusterError("data", `Cannot fetch data part ${part.sha256.slice(0, 12)}…: ${why}`);
    });
    if (fetched.kind === "answered") return fetched.answer;
    signal.throwIfAborted();
    const failure = fetched.kind === "exhausted" ? fetched.failure : undefined;
    throw new ClusterError("dependency", `The coordinator does not serve data (${failure?.failure})`, {
      cause: failure,
    });
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
