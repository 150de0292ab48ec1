/** One run from its settings to its results, phase by phase. It goes on where its storage left off. */
import { begin } from "./begin.js";
import type { RunContext, RunOutcome } from "./context.js";
import { diagnose } from "./diagnose.js";
import { finish, interrupted } from "./finish.js";
import { ledgerFault } from "./ledger-proof.js";
import { measure } from "./measure.js";
import { type RunSetup, setUp } from "./setup.js";
import { writeStatus } from "./status.js";
import { LEDGER, type LedgerLine } from "./step-books.js";
import { train } from "./train.js";
import { weightsOf } from "./weights.js";

/** Throws ClusterError: "diverged", "storage", "config" (a run directory of other settings), "data". */
export async function conductRun(context: RunContext): Promise<RunOutcome> {
  const run = setUp(context);
  const { signal } = run;
  const beginning = await begin(run);
  const { books, earlierRate } = beginning;
  try {
    const weights = weightsOf(
      books === undefined ? beginning.state : await train(run, { ...beginning, books }),
    );
    if (books !== undefined) await tellUnproven(run, weights.step);
    if (signal.aborted) return await interrupted(run, weights);
    run.onTrained();
    await writeStatus(run, "evaluating", weights.step);
    const measured = await measure(run, weights);
    const result = await diagnose(run, weights, measured, books?.rate || earlierRate);
    if (result === undefined) return await interrupted(run, weights);
    return await finish(run, weights, result, measured.isIncomplete);
  } finally {
    // The last checkpoint stands on books that were written: what is left here costs nothing but itself.
    await books?.close().catch((error: Error) => run.observer.note("warning", error.message));
  }
}

/** The weights are what they are; whether each image counted once can only be said while the ledger says so. */
async function tellUnproven({ storage, plan, observer }: RunSetup, step: number): Promise<void> {
  const warn = (message: string): void => observer.note("warning", message);
  try {
    const fault = ledgerFault(await storage.readJournal<LedgerLine>(LEDGER, warn), plan, step);
    if (fault !== undefined) warn(`${LEDGER} does not prove that every image counted once: ${fault}`);
  } catch (error) {
    warn(`${LEDGER} could not be checked: ${error instanceof Error ? error.message : String(error)}`);
  }
}
