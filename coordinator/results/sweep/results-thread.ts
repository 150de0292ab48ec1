/**
 * A sweep's results written in a thread of their own: with ten thousand trials it takes seconds of computation, for which
 * the coordinator's loop must not stand still. Handing over that many at once would stop it too, so they go in parts.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { DecisionLine, TrialRow } from "../../../shared/records/sweep-line.js";
import { ClusterError, type ErrorCode } from "../../../shared/errors.js";
import type { SweepResults } from "./data.js";
import type { WrittenResults } from "./write.js";

/** What the thread is told first. */
interface ResultsOrder {
  directory: string;
  results: Omit<SweepResults, "rows" | "decisions">;
}

/** In this order: one order, parts of both lists, the end. */
export type ResultsPart =
  | { order: ResultsOrder }
  | { rows: readonly TrialRow[] }
  | { decisions: readonly DecisionLine[] }
  | "that is all";

export type ResultsAnswer =
  { written: WrittenResults } | { code: ErrorCode; message: string; hint: string | undefined };

/** Handed over at a time: a few milliseconds. */
const PART = 250;

/** `writeSweepResults`, while whoever asks goes on. Throws ClusterError as that does; "unexpected" when the thread dies. */
export async function writeSweepResultsAside(
  directory: string,
  given: SweepResults,
): Promise<WrittenResults> {
  const { rows, decisions, ...results } = given;
  const thread = new Worker(new URL("./results-worker.js", import.meta.url));
  const answered = new Promise<ResultsAnswer>((resolve, reject) => {
    thread.once("message", resolve);
    thread.once("error", reject);
    thread.once("exit", (code) => {
      reject(
        new ClusterError(
          "unexpected",
          `The thread of the sweep's results ended with code ${code} and no answer`,
        ),
      );
    });
  });
  const [answer] = await Promise.all([answered, handOver(thread, { directory, results }, rows, decisions)]);
  if ("written" in answer) return answer.written;
  throw new ClusterError(answer.code, answer.message, answer.hint === undefined ? {} : { hint: answer.hint });
}

async function handOver(
  thread: Worker,
  order: ResultsOrder,
  rows: readonly TrialRow[],
  decisions: readonly DecisionLine[],
): Promise<void> {
  const hand = async (part: ResultsPart): Promise<void> => {
    thread.postMessage(part);
    await nextTurn();
  };
  await hand({ order });
  for (let i = 0; i < rows.length; i += PART) await hand({ rows: rows.slice(i, i + PART) });
  for (let i = 0; i < decisions.length; i += PART) await hand({ decisions: decisions.slice(i, i + PART) });
  await hand("that is all");
}
