/** A run of two slots, and a coordinator that serves a real Worker whatever it asks for, on a bus in memory. */
import { createHash } from "node:crypto";
import type { Bus } from "../../shared/bus.js";
import { configSchema } from "../../shared/config/run.js";
import {
  BODY_BYTES,
  type ChunkHeader,
  HEADER_BYTES,
  bodyLength,
  chunkCountOf,
  decodeChunk,
  sealChunk,
} from "../../shared/core/chunk.js";
import { readMessage, type saf, wire, writeMessage } from "../../shared/messages.js";
import { layoutOf } from "../../shared/networks/network.js";
import { resolveRun } from "../../shared/resolve.js";
import { runHashOf } from "../../shared/run-hash.js";
import { subjectsOf } from "../../shared/subjects.js";
import type { PartStore } from "../../worker/parts.js";

export const RUN_ID = "a-run";
export const TERM = 5;
export const IMAGES = 16;
export const subjects = subjectsOf("local");
export const config = configSchema.parse({
  model: "plain",
  train: { batch_size: 8, slots: 2, learning_rate: 0.01, max_steps: 3 },
});
export const layout = layoutOf(resolveRun(config).network);
export const part = new Uint8Array(IMAGES * (1 + 28 * 28)).fill(1);
export const sha256 = createHash("sha256").update(part).digest("hex");

export class PartsInMemory implements PartStore {
  readonly kept = new Map<string, Uint8Array>();

  get(hash: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.kept.get(hash));
  }

  put(hash: string, bytes: Uint8Array): Promise<void> {
    this.kept.set(hash, bytes);
    return Promise.resolve();
  }
}

export const spec = {
  runId: RUN_ID,
  configJson: JSON.stringify(config),
  parameterCount: layout.size,
  data: {
    height: 28,
    width: 28,
    channels: 1,
    train: [{ sha256, images: IMAGES, byteLength: part.byteLength }],
    test: [{ sha256, images: IMAGES, byteLength: part.byteLength }],
  },
};

export function vectorChunk({ version, chunk, velocity }: saf.v1.ParamRequest, term: number): Uint8Array {
  const totalBytes = layout.size * 4;
  const frame = new Uint8Array(HEADER_BYTES + bodyLength(totalBytes, chunk));
  sealChunk(frame, {
    ...{ kind: velocity ? "velocity" : "parameters", codec: "fp32", runHash: runHashOf(RUN_ID), term },
    ...{ step: version, node: 0, attempt: 0, shard: 0 },
    ...{ chunk, chunkCount: chunkCountOf(totalBytes), offset: chunk * BODY_BYTES, totalBytes },
  });
  return frame;
}

/** What the coordinator was told, in the order in which it came. */
export function nothingSeen() {
  return {
    returns: [] as (saf.v1.LeaseReturn | undefined)[],
    beats: [] as (saf.v1.Heartbeat | undefined)[],
    ends: [] as (saf.v1.PushEnd | undefined)[],
    frames: [] as ChunkHeader[],
    /** Requests for a range of a data part. */
    ranges: 0,
    /** Its own term. */
    term: TERM,
    /** What it says of the run. */
    spec,
  };
}

export type Seen = ReturnType<typeof nothingSeen>;

/** Serves a worker everything that it asks for, and takes what it brings. */
export function coordinate(bus: Bus, seen: Seen): void {
  bus.subscribe(subjects.joinPattern, ({ respond }) =>
    respond(writeMessage(wire.JoinReply, { accepted: true, term: seen.term, heartbeatMs: 1000 })),
  );
  bus.subscribe(subjects.runGetPattern, ({ respond }) => respond(writeMessage(wire.RunSpec, seen.spec)));
  bus.subscribe(subjects.dataPattern, ({ data, respond }) => {
    const { offset, length } = readMessage(wire.DataRequest, data) ?? { offset: 0, length: 0 };
    seen.ranges++;
    respond(writeMessage(wire.DataRange, { body: part.subarray(offset, offset + length) }));
  });
  bus.subscribe(subjects.parameterGetPattern(0), ({ data, respond }) => {
    const request = readMessage(wire.ParamRequest, data);
    if (request !== undefined)
      respond(writeMessage(wire.ParamReply, { chunk: vectorChunk(request, seen.term) }));
  });
  bus.subscribe(subjects.gradientPattern(0), ({ data }) => {
    const decoded = decodeChunk(data);
    if (decoded.ok) seen.frames.push(decoded.header);
  });
  bus.subscribe(subjects.pushPattern, ({ data, respond }) => {
    seen.ends.push(readMessage(wire.PushEnd, data));
    respond(writeMessage(wire.PushReply, { status: wire.PushReply.Status.OK }));
  });
  bus.subscribe(subjects.leasePattern, ({ data }) => {
    seen.returns.push(readMessage(wire.LeaseReturn, data));
  });
  bus.subscribe(subjects.heartbeatPattern, ({ data }) => {
    seen.beats.push(readMessage(wire.Heartbeat, data));
  });
}
