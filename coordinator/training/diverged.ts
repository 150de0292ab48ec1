/** How a training diverges: its values are not finite any more, and that is nobody's fault but its settings'. */
import { ClusterError } from "../../shared/errors.js";

const SMALLER_STEPS = "lower train.learning_rate, or resume from an earlier checkpoint";

export function overflown(step: number): ClusterError {
  const what = `The weights after step ${step} are not finite, though every gradient was`;
  return new ClusterError("diverged", what, { hint: SMALLER_STEPS });
}

/** `attempts`: by worker, those whose values were not finite. */
export function diverged(step: number, attempts: ReadonlyMap<string, number>): ClusterError {
  const count = [...attempts.values()].reduce((sum, more) => sum + more, 0);
  return new ClusterError(
    "diverged",
    `The gradient of step ${step} is not finite in ${count} attempts of ${[...attempts.keys()].join(" and ")}`,
    { hint: SMALLER_STEPS },
  );
}
