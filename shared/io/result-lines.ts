/** Reads eval/results.jsonl. */
import { type OldTask, type ResultLine, recordOf, todaysLine } from "../records/result-line.js";
import type { TaskRecord, TaskSpec } from "../records/task.js";
import { readJsonLines } from "./json-lines.js";

/** All lines, those of older versions under today's names. Throws ClusterError("storage"). */
export async function readResultLines(file: string): Promise<ResultLine[]> {
  return (await readJsonLines<ResultLine & { task: OldTask }>(file)).map(todaysLine);
}

/** Records of these tasks; the first of each counts. Throws ClusterError("storage"). */
export async function readRecords(file: string, tasks: readonly TaskSpec[]): Promise<TaskRecord[]> {
  const wanted = new Set(tasks.map(({ id }) => id));
  const records: TaskRecord[] = [];
  for (const line of await readResultLines(file)) {
    if (wanted.delete(line.task.id)) records.push(recordOf(line));
  }
  return records;
}
