/** One run from its settings to its results, phase by phase. It goes on where its storage left off. */
import { begin } from "./begin.js";
import type { RunContext, RunOutcome } from "./context.js";
import { diagnose } from "./diagnose.js";
import { finish, interrupted } from "./finish.js";
import { measure } from "./measure.js";
import { setUp } from "./setup.js";
import { writeStatus } from "./status.js";
import { train } from "./train.js";
import { weightsOf } from "./weights.js";

/** Throws ClusterError: "diverged", "storage", "config" (a run directory of other settings), "data". */
export async function conductRun(context: RunContext): Promise<RunOutcome> {
  const run = setUp(context);
  const { signal, evaluateOnly } = run;
  const beginning = await begin(run);
  const { books, earlierRate } = beginning;
  try {
    const weights = weightsOf(evaluateOnly ? beginning.state : await train(run, beginning));
    if (signal.aborted) return await interrupted(run, weights);
    run.onTrained();
    await writeStatus(run, "evaluating", weights.step);
    const measured = await measure(run, weights);
    const result = await diagnose(run, weights, measured, books.rate || earlierRate);
    if (result === undefined) return await interrupted(run, weights);
    return await finish(run, weights, result, measured.isIncomplete);
  } finally {
    // The last checkpoint stands on books that were written: what is left here costs nothing but itself.
    await books.close().catch((error: Error) => run.observer.note("warning", error.message));
  }
}
