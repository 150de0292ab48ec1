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
  const settled = new Map<MeasuredRun, ModelResult>();
  for (const dataset of new Set(measured.map((run) => run.dataset))) {
    const group = measured.filter((run) => run.dataset === dataset);
    const together = checkedTogether(group.map(({ result }) => result));
    group.forEach((run, i) => settled.set(run, together[i] ?? run.result));
  }
  await Promise.all(
    [...settled].map(async ([{ result, storage }, known]) => {
      if (JSON.stringify(known) !== JSON.stringify(result)) await storage.writeJson("result.json", known);
    }),
  );
  return measured.map((run) => settled.get(run) ?? run.result);
}
