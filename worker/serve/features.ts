/** Feature statistics of a checkpoint: what its units see in test and in nonsense images. */
import type { saf } from "../../shared/messages.js";
import type { Serve } from "./context.js";

export const serveFeatures: Serve<saf.v1.TaskLease> = async ({ engine, push }, run, lease) => {
  const { leaseId, term, taskId, attempt, imageCount, patienceMs } = lease;
  await run.loadImages("test");
  const parameters = await run.keptWeights().take(lease.version, term);
  if (parameters === undefined) return "the weights are gone";
  const { runId } = run;
  const done = await engine.compute(
    { type: "features", runId, leaseId, parameters, imageCount },
    { patienceMs },
  );
  await push.result({
    leaseId,
    term,
    runId,
    taskId,
    attempt,
    computeSeconds: done.seconds,
    featuresJson: JSON.stringify(done.features),
  });
  return undefined;
};
