/** Has steps of a run computed again, in a process of its own with the engine's variables. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ClusterError, isErrorCode } from "../../shared/errors.js";
import type { Recomputed, RecomputedState, RecomputedStep } from "./comparison.js";
import type { RecomputeOrder, RecomputeReport } from "./recompute-messages.js";

const PROGRAM = fileURLToPath(new URL("recompute-process.js", import.meta.url));
/** The end of what it said on standard error, for when it ends without a report. */
const KEPT_WORDS = 2000;

/** `onStep` is told of each step. Throws ClusterError: "dependency" (the engine), "data", "unexpected". */
export async function recompute(
  order: RecomputeOrder,
  environment: Record<string, string>,
  onStep: (step: RecomputedStep) => void,
): Promise<Recomputed> {
  const child = spawn(process.execPath, ["--enable-source-maps", PROGRAM], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  const steps: RecomputedStep[] = [];
  const states: RecomputedState[] = [];
  let failure: ClusterError | undefined;
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (words = (words + text).slice(-KEPT_WORDS)));
  createInterface({ input: child.stdout }).on("line", (line) => {
    const report = JSON.parse(line) as RecomputeReport;
    if (report.kind === "failed") failure = failureOf(report);
    else if (report.kind === "state") states.push(report.state);
    else {
      steps.push(report.step);
      onStep(report.step);
    }
  });
  // It may end before it has read the order; its exit code says why.
  child.stdin.on("error", () => undefined).write(`${JSON.stringify(order)}\n`);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (failure !== undefined) throw failure;
  if (code !== 0) {
    const said = words.trim().split("\n").at(-1) ?? "";
    throw new ClusterError("unexpected", `The recomputation ended with exit code ${code}: ${said}`);
  }
  return { steps, states };
}

function failureOf({ code, message, hint }: Extract<RecomputeReport, { kind: "failed" }>): ClusterError {
  const options = hint === undefined ? {} : { hint };
  return new ClusterError(isErrorCode(code) ? code : "unexpected", message, options);
}
