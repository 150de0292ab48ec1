/** Reads eval/results.jsonl. */
import { type OldTask, type ResultLine, todaysLine } from "../records/result-line.js";
import { readJsonLines } from "./json-lines.js";

/** All lines, those of older versions under today's names. Throws ClusterError("storage"). */
export async function readResultLines(file: string): Promise<ResultLine[]> {
  return (await readJsonLines<ResultLine & { task: OldTask }>(file)).map(todaysLine);
}
