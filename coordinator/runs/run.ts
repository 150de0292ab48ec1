/** One run from its settings to its results, phase by phase. It goes on where its storage left off. */
import { begin } from "./begin.js";
import type { RunContext, RunOutcome } from "./context.js";
import { diagnose } from "./diagnose.js";
import { finish, interrupted } from "./finish.js";
import { measure } from "./measure.js";
import { setUp } from "./setup.js";
import { writeStatus } from "./status.js";
import { train } from "./train.js";

/** Throws ClusterError: "diverged", "storage", "config" (a run directory of other settings), "data". */
export async function conductRun(context: RunContext): Promise<RunOutcome> {
  const run = setUp(context);
  const { signal, evaluateOnly } = run;
  const beginning = await begin(run);
  const { books, earlierRate } = beginning;
  try {
    const state = evaluateOnly ? beginning.state : await train(run, beginning);
    if (signal.aborted) return await interrupted(run, state);
    run.onTrained();
    await writeStatus(run, "evaluating", state.step);
    const measured = await measure(run, state);
    const result = await diagnose(run, state, measured, books.rate || earlierRate);
    if (result === undefined) return await interrupted(run, state);
    return await finish(run, state, result, measured.isIncomplete);
  } finally {
    await books.close();
  }
}
