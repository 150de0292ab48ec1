/** Reads eval/results.jsonl. */
import { type OldTask, type ResultLine, currentLines, todaysLine } from "../records/result-line.js";
import { readJsonLines } from "./json-lines.js";

/** All that count (`currentLines`), those of older versions under today's names. Throws ClusterError("storage"). */
export async function readResultLines(file: string): Promise<ResultLine[]> {
  return currentLines((await readJsonLines<ResultLine & { task: OldTask }>(file)).map(todaysLine));
}
