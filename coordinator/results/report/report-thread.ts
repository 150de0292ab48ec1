/** Reports drawn in a thread of their own: it takes seconds of pure computation, for which the event loop must not stand still. */
import { Worker } from "node:worker_threads";
import { ClusterError, type ErrorCode } from "../../../shared/errors.js";
import type { ReportNames } from "./report-run.js";

/** What the thread is asked. */
export interface ReportOrder {
  out: string;
  names: ReportNames;
}

/** What it answers: the path of the page, or why there is none. */
export type ReportAnswer = { page: string } | { code: ErrorCode; message: string; hint: string | undefined };

/** `reportRun`, while whoever asks goes on. Throws ClusterError as that does; "unexpected" when the thread dies. */
export async function reportAside(out: string, names: ReportNames): Promise<string> {
  const order: ReportOrder = { out, names };
  const thread = new Worker(new URL("./report-worker.js", import.meta.url), { workerData: order });
  const answer = await new Promise<ReportAnswer>((resolve, reject) => {
    thread.once("message", resolve);
    thread.once("error", reject);
    thread.once("exit", (code) => {
      reject(new ClusterError("unexpected", `The report's thread ended with code ${code} and no report`));
    });
  });
  if ("page" in answer) return answer.page;
  throw new ClusterError(answer.code, answer.message, answer.hint === undefined ? {} : { hint: answer.hint });
}
