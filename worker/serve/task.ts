/** A task of an evaluation: some images under one measure. */
import type { saf } from "../../shared/messages.js";
import { measureOf, resultOf } from "../task-messages.js";
import { type Serve, traced } from "./context.js";

export const serveTask: Serve<saf.v1.TaskLease> = async (context, run, lease, hand) => {
  const { clock, engine, assets, push, stopping } = context;
  const { leaseId, term, version, taskId, attempt, strengths, firstImage, imageCount, sampleCount } = lease;
  const { patienceMs } = lease;
  const measure = measureOf(lease);
  const waited = clock.now();
  await run.loadImages("test");
  const beside = await assets.of(measure, run.run.network);
  const kept = run.keptWeights();
  kept.enter(term);
  for (const frame of hand.frames) kept.accept(frame);
  const parameters = await kept.take(version, term);
  if (parameters === undefined) return "the weights are gone";
  const { runId } = run;
  const images = { strengths, firstImage, imageCount, sampleCount };
  const computeFrom = clock.now();
  traced(context, lease, "wait", { from: waited, to: computeFrom });
  const body = await engine
    .compute(
      { type: "task", runId, leaseId, term, version, parameters, ...beside, measure, ...images },
      { patienceMs },
    )
    .then(
      ({ findings, seconds }) => ({ ...resultOf(findings, firstImage), computeSeconds: seconds }),
      (error: Error) => ({ error: { message: error.message } }),
    );
  const pushFrom = clock.now();
  traced(context, lease, "compute", { from: computeFrom, to: pushFrom });
  // A worker that stops, or whose engine died, gives the lease back instead.
  if (stopping.aborted) return undefined;
  await push.result({ leaseId, term, runId, taskId, attempt, ...body });
  traced(context, lease, "push", { from: pushFrom, to: clock.now() });
  return undefined;
};
