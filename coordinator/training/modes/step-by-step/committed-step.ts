/** What is told of a step whose blocks came one by one. */
import { TAIL } from "../../../../shared/core/layout.js";
import { stepSamples } from "../../../../shared/core/schedule.js";
import type { CommittedUnit } from "../../../leases/events.js";
import type { CommittedStep } from "../../training-types.js";
import { type Told, toldOf } from "../told.js";
import type { BlockUnit } from "./plan.js";
import type { StepInWork } from "./step-in-work.js";

/** `tail`: its loss, hits and samples. */
export function committedStep(
  told: Told,
  units: readonly CommittedUnit<BlockUnit>[],
  tail: Float32Array,
  { step, norms, openedMs, aggregateMs, traceId }: StepInWork,
  atMs: number,
): CommittedStep {
  const ends = units.map((unit) => unit.atMs);
  return {
    ...toldOf(told, step),
    samples: tail[TAIL.samples] ?? 0,
    loss: (tail[TAIL.loss] ?? 0) / stepSamples(told.plan, step),
    hits: tail[TAIL.hits] ?? 0,
    blocks: units.map(({ unit, worker, engine, attempt, ms }) => ({
      ...unit.block,
      worker,
      engine,
      attempt,
      ms,
    })),
    barrierMs: Math.max(...ends) - Math.min(...ends),
    aggregateMs,
    ...(norms === undefined
      ? {}
      : { norms: { gradient: Math.sqrt(norms.gradient), update: Math.sqrt(norms.update) } }),
    seconds: (atMs - openedMs) / 1000,
    atMs,
    ...(traceId === undefined ? {} : { traceId }),
  };
}
