/** Whether a run under faults came to what the calm one came to. */
import { ledgerFault } from "../../coordinator/runs/ledger-proof.js";
import type { LedgerLine } from "../../coordinator/runs/step-books.js";
import type { StepPlan } from "../../shared/core/schedule.js";

/** What a training left. */
export interface Outcome {
  /** Why it did not come to its end; undefined when it did. */
  failure: string | undefined;
  /** Of the newest checkpoint. */
  step: number;
  /** SHA-256 of its weights. */
  sha256: string;
  ledger: readonly LedgerLine[];
}

/** What does not hold, one sentence each. `steps`: of the whole run. */
export function problemsOf(calm: Outcome, other: Outcome, plan: StepPlan, steps: number): string[] {
  if (other.failure !== undefined) return [other.failure];
  const fault = ledgerFault(other.ledger, plan, steps);
  return [
    ...(other.step === steps ? [] : [`its newest checkpoint is of step ${other.step}, expected ${steps}`]),
    ...(other.sha256 === calm.sha256
      ? []
      : [`its weights are ${other.sha256.slice(0, 16)}…, the calm run's ${calm.sha256.slice(0, 16)}…`]),
    ...(fault === undefined ? [] : [`its ledger does not prove that every image counted once: ${fault}`]),
    ...(other.ledger.length <= steps
      ? []
      : [`its ledger has ${other.ledger.length} lines for ${steps} steps`]),
  ];
}
