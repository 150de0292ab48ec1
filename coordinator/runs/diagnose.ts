/** The fourth phase of a run: whether the figures are to be believed, and what the network looks at. */
import { type FeaturesDocument, featureTaps } from "../../shared/features.js";
import type { ModelResult } from "../../shared/results.js";
import { FeaturesJob } from "../evaluation/features-job.js";
import { modelResult } from "../evaluation/model-result.js";
import { everythingFalls } from "../evaluation/plan/modern-procedure.js";
import { whileListening } from "./aborting.js";
import type { Measured } from "./measure.js";
import type { RunSetup } from "./setup.js";
import type { Weights } from "./weights.js";

/** The result with its sanity checks; undefined when the signal came first. `samplesPerSecond`: of the training. */
export async function diagnose(
  run: RunSetup,
  weights: Weights,
  { records, notMeasured }: Measured,
  samplesPerSecond: number,
): Promise<ModelResult | undefined> {
  const { config, signal, resolved } = run;
  if (config.evaluate.features && !signal.aborted) await countFeatures(run, weights);
  if (signal.aborted) return undefined;
  const { name, network } = resolved;
  const measured = {
    name,
    engine: config.engine,
    realClasses: network.realClasses,
    samplesPerSecond,
    everything: everythingFalls(network),
  };
  return {
    ...modelResult(measured, records),
    ...(notMeasured.length === 0 ? {} : { not_measured: notMeasured }),
  };
}

/** Feature statistics of these weights, unless the run directory has them already. */
async function countFeatures(run: RunSetup, weights: Weights): Promise<void> {
  const { coordinator, storage, term, observer, runId, account, signal, spec } = run;
  const { seed, network } = run.resolved;
  const { step, parameters, sha256: checkpoint } = weights;
  const stored = await storage.readJson<FeaturesDocument>("features.json").catch(() => undefined);
  const isOfNetwork = featureTaps(network).every(({ width }, i) => stored?.places[i]?.width === width);
  if (stored?.checkpoint === checkpoint && stored.seed === seed && isOfNetwork) return;
  observer.phase("evaluating", "feature statistics");
  const measured = { runId, account, spec, term, version: step, parameters, checkpoint, seed, network };
  const job = new FeaturesJob(measured, coordinator.desk);
  const features = await whileListening(
    signal,
    () => job.stop(),
    async () => {
      coordinator.add(job);
      const found = await job.done;
      coordinator.remove(job);
      return found;
    },
  );
  if (features !== undefined) await storage.writeJson("features.json", features);
}
