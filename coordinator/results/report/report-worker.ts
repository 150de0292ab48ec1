/** The thread of report-thread.ts: draws one report, answers once. */
import { parentPort, workerData } from "node:worker_threads";
import { ClusterError } from "../../../shared/errors.js";
import { reportRun } from "./report-run.js";
import type { ReportAnswer, ReportOrder } from "./report-thread.js";

const { out, names } = workerData as ReportOrder;
const answer: ReportAnswer = await reportRun(out, names).then(
  (page) => ({ page }),
  (error: unknown) =>
    error instanceof ClusterError
      ? { code: error.code, message: error.message, hint: error.hint }
      : {
          code: "unexpected",
          message: error instanceof Error ? error.message : String(error),
          hint: undefined,
        },
);
parentPort?.postMessage(answer);
