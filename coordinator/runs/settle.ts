/** result.json of networks that were measured together. */
import { ClusterError } from "../../shared/errors.js";
import type { ModelResult } from "../../shared/results.js";
import { checkedTogether } from "../evaluation/sanity/sanity.js";
import type { RunStorage } from "./storage.js";

export interface MeasuredRun {
  /** Name of its data set: networks on other images say nothing about it. */
  dataset: string;
  result: ModelResult;
  storage: Pick<RunStorage, "path" | "create" | "release" | "writeJson">;
}

/**
 * What each network's checks learn from the others; written where it differs. A directory that another process writes by
 * now keeps what it has, and `note` is told. Throws ClusterError("storage").
 */
export async function settleResults(
  measured: readonly MeasuredRun[],
  note: (message: string) => void,
): Promise<ModelResult[]> {
  const settled = new Map<MeasuredRun, ModelResult>();
  for (const dataset of new Set(measured.map((run) => run.dataset))) {
    const group = measured.filter((run) => run.dataset === dataset);
    const together = checkedTogether(group.map(({ result }) => result));
    group.forEach((run, i) => settled.set(run, together[i] ?? run.result));
  }
  await Promise.all(
    [...settled].map(async ([{ result, storage }, known]) => {
      if (JSON.stringify(known) !== JSON.stringify(result)) await rewrite(storage, known, note);
    }),
  );
  return measured.map((run) => settled.get(run) ?? run.result);
}

/** The run is over and its directory given back: it is taken once more. */
async function rewrite(
  storage: MeasuredRun["storage"],
  result: ModelResult,
  note: (message: string) => void,
): Promise<void> {
  try {
    await storage.create();
  } catch (error) {
    if (!(error instanceof ClusterError && error.code === "dependency")) throw error;
    note(`What other networks say about its checks is not in ${storage.path}: ${error.message}`);
    return;
  }
  try {
    await storage.writeJson("result.json", result);
  } finally {
    await storage.release();
  }
}
