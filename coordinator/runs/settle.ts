/** result.json of networks that were measured together. */
import type { ModelResult } from "../../shared/results.js";
import { checkedTogether } from "../evaluation/sanity/sanity.js";
import type { RunStorage } from "./storage.js";

export interface MeasuredRun {
  /** Name of its data set: networks on other images say nothing about it. */
  dataset: string;
  result: ModelResult;
  storage: Pick<RunStorage, "writeJson">;
}

/** What each network's checks learn from the others; written where it differs. Throws ClusterError("storage"). */
export async function settleResults(measured: readonly MeasuredRun[]): Promise<ModelResult[]> {
  const settled = measured.map(({ result }) => result);
  for (const dataset of new Set(measured.map((run) => run.dataset))) {
    const places = [...measured.keys()].filter((i) => measured[i]?.dataset === dataset);
    const together = checkedTogether(places.map((i) => settled[i] as ModelResult));
    places.forEach((place, i) => (settled[place] = together[i] as ModelResult));
  }
  await Promise.all(
    measured.map(async ({ result, storage }, i) => {
      if (JSON.stringify(settled[i]) !== JSON.stringify(result))
        await storage.writeJson("result.json", settled[i]);
    }),
  );
  return settled;
}
