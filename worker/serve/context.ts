/** What leases of every kind are served with. */
import type { saf } from "../../shared/messages.js";
import type { SpanAttributes } from "../../shared/tracing.js";
import type { WorkerEdges } from "../edges.js";
import type { EngineDesk } from "../engine-desk.js";
import type { Push } from "../frame-sender.js";
import type { LeaseInHand } from "../lease.js";
import type { Mates } from "../mates/outgoing.js";
import type { ParameterFeed } from "../mates/parameter-feed.js";
import type { Pusher } from "../push.js";
import type { PreparedRun } from "../run-setup.js";
import type { AssetCache } from "../task-assets.js";

export type ServeContext = Pick<WorkerEdges, "bulk" | "subjects" | "clock" | "metrics" | "tracer"> & {
  engine: EngineDesk;
  push: Pusher;
  mates: Mates;
  feed: ParameterFeed;
  assets: AssetCache;
  /** Aborts when the worker stops. */
  stopping: AbortSignal;
};

/**
 * Computes a lease and brings the outcome to the coordinator. Resolves to the reason when the lease goes back unserved
 * because nobody needs it any more; rejects when it cannot be served.
 */
export type Serve<Order> = (
  context: ServeContext,
  run: PreparedRun,
  order: Order,
  hand: LeaseInHand,
) => Promise<string | undefined>;

/** What all chunks of a push for this lease have in common. */
export function chunkIdentity(
  { runHash }: PreparedRun,
  { term, step, attempt }: saf.v1.BlockLease | saf.v1.ExclusiveLease,
): Pick<Push["identity"], "runHash" | "term" | "step" | "attempt"> {
  return { runHash, term, step, attempt };
}

/** What the end of every push for this lease says. */
export function pushEnd({
  leaseId,
  term,
  runId,
  step,
  attempt,
}: saf.v1.BlockLease | saf.v1.ExclusiveLease): Omit<saf.v1.PushEnd.$Properties, "workerId"> {
  return { leaseId, term, runId, step, attempt };
}

/** A part of a lease that is traced, now that it is over. */
export function traced(
  { tracer }: ServeContext,
  { traceparent }: { traceparent: string },
  name: string,
  time: { from: number; to: number },
  attributes: SpanAttributes = {},
): void {
  if (traceparent === "") return;
  const how = { parent: traceparent, kind: "consumer", startMs: time.from, attributes } as const;
  tracer.start(name, how)?.end({ ms: time.to });
}
