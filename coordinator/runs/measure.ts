/** The third phase of a run: which measures its settings ask for, and what they find. */
import { ClusterError } from "../../shared/errors.js";
import type { NotMeasured } from "../../shared/results.js";
import type { TaskRecord } from "../../shared/records/task.js";
import type { NamedSource } from "../evaluation/plan/attack-names.js";
import type { ForeignPictures } from "../evaluation/plan/modern-procedure.js";
import { planMeasures, proceduresOf } from "../evaluation/plan/procedures.js";
import { evaluate } from "./evaluate.js";
import { sourcesIn, withNames } from "./second-networks.js";
import type { RunSetup } from "./setup.js";
import type { Weights } from "./weights.js";

export interface Measured {
  records: TaskRecord[];
  /** What was missing for more. */
  notMeasured: NotMeasured[];
  /** A second network is yet to come: more can be measured then. */
  isIncomplete: boolean;
}

/** Throws ClusterError: "config" (an attack that there is not), and what `readSource` and `evaluate` throw. */
export async function measure(run: RunSetup, weights: Weights): Promise<Measured> {
  const { config, resolved, testImages, shelf, runId, pictures } = run;
  try {
    const { sources, isIncomplete } = await secondNetworks(run, weights.sha256);
    const { found: foreign, missing: notMeasured } = await foreignPictures(run);
    const measures = planMeasures({
      config: config.evaluate,
      network: resolved.network,
      strengths: resolved.strengths,
      testImages,
      samples: pictures,
      sources,
      foreign,
    });
    return { records: await evaluate(run, weights, measures), notMeasured, isIncomplete };
  } finally {
    shelf.letGo(runId);
  }
}

/**
 * The networks that this one is attacked from; their weights are put where workers pull them. One that is trained beside
 * this run and not done yet comes later; one that failed there is left out.
 */
async function secondNetworks(
  run: RunSetup,
  checkpoint: string,
): Promise<{ sources: NamedSource[]; isIncomplete: boolean }> {
  const { config, storage, surroundings, beside, observer } = run;
  const sources: NamedSource[] = [];
  let isIncomplete = false;
  if (!proceduresOf(config.evaluate).includes("modern")) return { sources, isIncomplete };
  for (const text of sourcesIn(config.evaluate)) {
    const isExpected = (path: string): boolean => beside(path) !== undefined;
    const place = await surroundings.findSource(text, storage.path, isExpected);
    const other = beside(place.path);
    if (other === "lost") observer.note("warning", `No transfer from ${text}: it was not trained`);
    else if (other === "coming") isIncomplete = true;
    else {
      const { parameters, ...source } = await surroundings.readSource(place, config.data.set);
      if (source.weights_sha256 === checkpoint)
        throw new ClusterError("config", `The second network ${text} is the one that it is to attack`);
      const bytes = new Uint8Array(parameters.buffer, parameters.byteOffset, parameters.byteLength);
      run.shelf.hold(bytes, run.runId);
      sources.push(source);
    }
  }
  return { sources: withNames(sources), isIncomplete };
}

/** Pictures of other data sets for the budgets of the modern procedure; what is missing is told. */
async function foreignPictures({
  config,
  resolved,
  surroundings,
  observer,
  runId,
}: RunSetup): Promise<{ found: ForeignPictures[]; missing: NotMeasured[] }> {
  const { evaluate: settings, data } = config;
  if (!proceduresOf(settings).includes("modern") || settings.attacks !== undefined)
    return { found: [], missing: [] };
  const { found, missing } = await surroundings.foreignImages(data.set, resolved.network.input, runId);
  for (const { what, why } of missing) observer.note("info", `Not run: ${what}: ${why}`);
  return { found, missing };
}
