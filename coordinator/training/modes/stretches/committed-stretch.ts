/** What is told of the steps of a stretch. */
import type { CommittedUnit } from "../../../leases/events.js";
import type { CommittedStep } from "../../training-types.js";
import { type Told, toldOf } from "../told.js";
import type { StepSum } from "./stretch-lengths.js";

/** Each at the moment at which it probably was done. */
export function committedStretch(
  told: Told,
  first: number,
  sums: readonly StepSum[],
  { worker, engine, attempt, stepMs }: CommittedUnit,
  atMs: number,
): CommittedStep[] {
  return sums.map(({ loss, hits, samples }, i) => ({
    ...toldOf(told, first + i),
    samples,
    loss: loss / samples,
    hits,
    blocks: [{ first: 0, count: told.plan.slots, worker, engine, attempt, ms: stepMs }],
    barrierMs: 0,
    aggregateMs: 0,
    seconds: stepMs / 1000,
    atMs: atMs - (sums.length - 1 - i) * stepMs,
  }));
}
