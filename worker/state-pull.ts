/** Fetches a whole vector of a training's state from the coordinator: what an exclusive lease begins with. */
import { type Bus, RequestError } from "../shared/bus.js";
import { chunkCountOf, decodeChunk } from "../shared/core/chunk.js";
import { readMessage, wire, writeMessage } from "../shared/messages.js";

export interface StateIdentity {
  runId: string;
  runHash: string;
  term: number;
  /** Steps committed. */
  version: number;
  /** Values of the vector. */
  size: number;
}

const PULL_TIMEOUT_MS = 2000;
const PULL_PAUSE_MS = 100;
/** Requests that may fail one after another. */
const PULL_ATTEMPTS = 50;

/** Undefined when the coordinator has this version no more, or `signal` aborts. Throws RequestError when nobody answers. */
export async function pullVector(
  bus: Bus,
  subject: string,
  kind: "parameters" | "velocity",
  identity: StateIdentity,
  signal: AbortSignal,
): Promise<SharedArrayBuffer | undefined> {
  const totalBytes = 4 * identity.size;
  const memory = new SharedArrayBuffer(totalBytes);
  const bytes = new Uint8Array(memory);
  const { runId, version } = identity;
  for (let chunk = 0, failures = 0; chunk < chunkCountOf(totalBytes);) {
    if (signal.aborted) return undefined;
    try {
      const request = { runId, version, chunk, velocity: kind === "velocity" };
      const answer = await bus.request(subject, writeMessage(wire.ParamRequest, request), PULL_TIMEOUT_MS);
      const reply = readMessage(wire.ParamReply, answer);
      if (reply === undefined || reply.error?.message || reply.chunk.byteLength === 0) return undefined;
      const decoded = decodeChunk(reply.chunk);
      if (!decoded.ok) return undefined;
      const { header, body } = decoded;
      const fits =
        header.kind === kind &&
        header.runHash === identity.runHash &&
        header.term === identity.term &&
        header.step === version &&
        header.chunk === chunk &&
        header.totalBytes === totalBytes;
      if (!fits) return undefined;
      bytes.set(body, header.offset);
      chunk++;
    } catch (error) {
      if (!(error instanceof RequestError) || ++failures > PULL_ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, PULL_PAUSE_MS));
    }
  }
  return memory;
}
