/** Work at which worker after worker is lost: where there is enough other work, it is given up before it ends them all. */
import { ClusterError } from "../../shared/errors.js";
import type { UnitRecord } from "./book.js";

/** Undefined while fewer than `most` workers were lost at it, or where any number may be. */
export function deadlyUnit(
  record: UnitRecord | undefined,
  most: number | undefined,
): ClusterError | undefined {
  if (record === undefined || most === undefined) return undefined;
  const lost = record.grants.filter(({ state }) => state === "lost");
  if (lost.length < most) return undefined;
  const workers = [...new Set(lost.map(({ worker }) => worker))].join(", ");
  return new ClusterError(
    "unexpected",
    `${lost.length} processes were lost at ${record.unit.words?.name ?? record.unit.id} (${workers}): it may be what ends them`,
  );
}
