/** result.json of networks that were measured together. */
import type { ModelResult } from "../../shared/results.js";
import { checkedTogether } from "../core/sanity.js";
import type { RunDirectory } from "./run-directory.js";

/** What each network's checks learn from the others; written where it differs. Throws ClusterError("storage"). */
export async function settleResults(
  measured: readonly { result: ModelResult; directory: RunDirectory }[],
): Promise<ModelResult[]> {
  const settled = checkedTogether(measured.map(({ result }) => result));
  await Promise.all(
    measured.map(async ({ result, directory }, i) => {
      if (JSON.stringify(settled[i]) !== JSON.stringify(result))
        await directory.writeJson("result.json", settled[i]);
    }),
  );
  return settled;
}
