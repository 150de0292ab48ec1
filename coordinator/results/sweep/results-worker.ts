/** The thread of results-thread.ts: takes the trials in parts, writes once, answers once. */
import { parentPort } from "node:worker_threads";
import { ClusterError, wordsOf } from "../../../shared/errors.js";
import type { DecisionLine, TrialRow } from "../../../shared/records/sweep-line.js";
import type { ResultsAnswer, ResultsPart } from "./results-thread.js";
import { writeSweepResults } from "./write.js";

const rows: TrialRow[] = [];
const decisions: DecisionLine[] = [];
let write = async (): Promise<ResultsAnswer> => ({
  code: "unexpected",
  message: "The thread of the sweep's results was not told what to write",
  hint: undefined,
});

parentPort?.on("message", (part: ResultsPart) => {
  if (part === "that is all") void write().catch(failure).then(finish);
  else if ("rows" in part) rows.push(...part.rows);
  else if ("decisions" in part) decisions.push(...part.decisions);
  else {
    const { directory, results } = part.order;
    write = async () => ({ written: await writeSweepResults(directory, { ...results, rows, decisions }) });
  }
});

function finish(answer: ResultsAnswer): void {
  parentPort?.postMessage(answer);
  parentPort?.close();
}

function failure(error: unknown): ResultsAnswer {
  if (error instanceof ClusterError) return { code: error.code, message: error.message, hint: error.hint };
  return { code: "unexpected", message: wordsOf(error), hint: undefined };
}
