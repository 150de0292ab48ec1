/** `results.json`: what the runs of a list found, together. */
import type { ModelResult } from "../../shared/results.js";
import { settleResults } from "./settle.js";
import type { ListedEnd } from "./list-source.js";
import type { RunFailure } from "./source.js";
import type { RunStorage } from "./storage.js";

/** `results.json`, and what `--json` prints. */
export interface ResultsDocument {
  title: string;
  directory: string;
  models: ModelResult[];
  /** SHA-256 of each model's final weights. */
  weights_sha256: Record<string, string>;
  /** Runs that ended in an error, where others went on. */
  failed: Record<string, RunFailure>;
  seconds: number;
  interrupted: boolean;
  report: string | null;
}

/** The results are read from the runs' directories; `seconds` and `report` are for the caller to fill. Throws ClusterError("data"), ("storage"). */
export async function resultsDocument(
  { title, out }: { title: string; out: string },
  ends: readonly ListedEnd[],
  storage: (directory: string) => RunStorage,
  isStopped: boolean,
  note: (message: string) => void,
): Promise<ResultsDocument> {
  const ran = ends.flatMap((end) => ("failure" in end ? [] : [end]));
  const measured = await Promise.all(
    ran
      .filter(({ interrupted }) => !interrupted)
      .map(async ({ dataset, directory }) => {
        const own = storage(directory);
        return { dataset, result: await own.readJson<ModelResult>("result.json"), storage: own };
      }),
  );
  return {
    title,
    directory: out,
    models: await settleResults(measured, note),
    weights_sha256: Object.fromEntries(ran.map(({ model, weightsSha256 }) => [model, weightsSha256])),
    failed: Object.fromEntries(ends.flatMap((end) => ("failure" in end ? [[end.name, end.failure]] : []))),
    seconds: 0,
    interrupted: isStopped || ran.some(({ interrupted }) => interrupted),
    report: null,
  };
}
