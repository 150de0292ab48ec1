/** A block of a step's slots: their gradients, summed, leave chunk by chunk while the engine still works. */
import type { saf } from "../../shared/messages.js";
import { roundedGradients } from "../../shared/core/codec.js";
import { nodeOfBlock } from "../../shared/core/slots.js";
import { type Serve, chunkIdentity, pushEnd, traced } from "./context.js";

export const serveBlock: Serve<saf.v1.BlockLease> = async (context, run, lease) => {
  const { clock, metrics, engine, push, mates, feed } = context;
  const { step, term, leaseId, patienceMs } = lease;
  feed.follow(lease.relay);
  const waited = clock.now();
  const block = { first: lease.firstSlot, count: lease.slotCount };
  const node = nodeOfBlock(run.run.train.slots, block);
  const { runId, frames, inPlace } = run;
  const totalBytes = run.layout.pushSize * 4;
  const identity = { ...chunkIdentity(run, lease), node, totalBytes };
  const rounded = roundedGradients(run.plan.codec, run.layout, lease.slotCount);
  // Mates may have theirs before we have the parameters.
  const outgoing = mates.outgoing({
    ...{ run, lease, push: { frames, inPlace, identity, rounded } },
    begin: (each) => push.begin(each),
  });
  await run.loadImages("train");
  const parameters = await run.parameters.take(step, term);
  if (parameters === undefined) return "the step is over";
  const anchor = await run.takeAnchor(step, term);
  const computeFrom = clock.now();
  const waitSeconds = (computeFrom - waited) / 1000;
  metrics.phase("wait", waitSeconds);
  traced(context, lease, "wait", { from: waited, to: computeFrom });

  const { seconds } = await engine.compute(
    { type: "block", runId, leaseId, term, step, ...block, parameters, anchor, frames },
    { patienceMs, onChunks: (chunks) => outgoing.send(chunks) },
  );
  const pushFrom = clock.now();
  traced(context, lease, "compute", { from: computeFrom, to: pushFrom }, { "saf.engine_seconds": seconds });
  const sender = await outgoing.handedOver(1000 * seconds);
  await push.finish({ ...pushEnd(lease), node, computeSeconds: seconds, waitSeconds }, sender);
  const pushed = clock.now();
  metrics.phase("push", (pushed - pushFrom) / 1000);
  traced(context, lease, "push", { from: pushFrom, to: pushed });
  return undefined;
};
