/** From a sweep's folder, as it was read, to what its results are made of. */
import type { SweepOnDisk } from "../io/sweep-directory.js";
import type { SweepResults } from "../results/sweep/data.js";

/** `directory`: as commands are to name it; `isAtWork`: a process works on it now. */
export function resultsOf(
  { spec, space, book, lines, opened, code }: SweepOnDisk,
  directory: string,
  isAtWork = false,
): SweepResults {
  const began = opened[0]?.time ?? 0;
  return {
    ...{ spec, settings: space.settings, code, began, directory, isAtWork },
    objectives: space.objectives,
    constraints: space.constraints,
    rows: book.rows(),
    decisions: lines.filter((line) => line.kind === "decision"),
    until: lines.reduce((newest, { time }) => Math.max(newest, time), began),
  };
}
