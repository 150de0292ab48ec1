/** Fetches a whole vector of a training's state from the coordinator: what an exclusive lease begins with. */
import { chunkCountOf, decodeChunk } from "../shared/core/chunk.js";
import { readMessage, wire, writeMessage } from "../shared/messages.js";
import { type RetryPolicy, retry } from "../shared/retry.js";
import type { VectorSources } from "./parameters.js";

export interface StateIdentity {
  runId: string;
  runHash: string;
  term: number;
  /** Steps committed. */
  version: number;
  /** Values of the vector. */
  size: number;
}

type VectorKind = "parameters" | "velocity";

interface Part {
  body: Uint8Array;
  /** Of its first byte, in the vector. */
  offset: number;
}

const PULL_TIMEOUT_MS = 2000;
/** Of all requests for one vector. */
const PULL_RETRIES: RetryPolicy = { attempts: 51, pauseMs: () => 100 };

/** Fills `memory`. Undefined when the coordinator has this version no more, or `signal` aborts. Throws RequestError when nobody answers. */
export async function pullVector(
  sources: VectorSources,
  kind: VectorKind,
  identity: StateIdentity,
  memory: SharedArrayBuffer,
): Promise<SharedArrayBuffer | undefined> {
  const bytes = new Uint8Array(memory, 0, 4 * identity.size);
  let chunk = 0;
  const pulled = await retry(PULL_RETRIES, sources, async () => {
    for (; chunk < chunkCountOf(bytes.byteLength); chunk++) {
      if (sources.signal.aborted) return "gone";
      const got = await pullChunk(sources, kind, identity, chunk);
      if (got === undefined) return "gone";
      bytes.set(got.body, got.offset);
    }
    return "complete";
  });
  if (pulled.kind === "exhausted" && pulled.failure !== undefined) throw pulled.failure;
  return pulled.kind === "answered" && pulled.answer === "complete" ? memory : undefined;
}

/** The vector, where it came with the lease in one chunk. */
export function broughtVector(
  frames: readonly Uint8Array[],
  kind: VectorKind,
  identity: StateIdentity,
  memory: SharedArrayBuffer,
): SharedArrayBuffer | undefined {
  if (chunkCountOf(4 * identity.size) > 1) return undefined;
  for (const frame of frames) {
    const got = chunkIn(frame, kind, identity, 0);
    if (got === undefined) continue;
    new Uint8Array(memory).set(got.body, got.offset);
    return memory;
  }
  return undefined;
}

/** Undefined when the answer is not that chunk. Throws RequestError. */
async function pullChunk(
  { bus, pullSubject }: VectorSources,
  kind: VectorKind,
  identity: StateIdentity,
  chunk: number,
): Promise<Part | undefined> {
  const { runId, version } = identity;
  const request = { runId, version, chunk, velocity: kind === "velocity" };
  const answer = await bus.request(pullSubject, writeMessage(wire.ParamRequest, request), PULL_TIMEOUT_MS);
  const reply = readMessage(wire.ParamReply, answer);
  if (reply === undefined || reply.error?.message || reply.chunk.byteLength === 0) return undefined;
  return chunkIn(reply.chunk, kind, identity, chunk);
}

function chunkIn(
  frame: Uint8Array,
  kind: VectorKind,
  { runHash, term, version, size }: StateIdentity,
  chunk: number,
): Part | undefined {
  const decoded = decodeChunk(frame);
  if (!decoded.ok) return undefined;
  const { header, body } = decoded;
  const fits =
    header.kind === kind &&
    header.codec === "fp32" &&
    header.runHash === runHash &&
    header.term === term &&
    header.step === version &&
    header.chunk === chunk &&
    header.totalBytes === 4 * size;
  return fits ? { body, offset: header.offset } : undefined;
}
