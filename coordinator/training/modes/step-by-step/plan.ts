/** The blocks of one step, to whoever is idle; the step commits when all of them are computed. */
import { stepSamples } from "../../../../shared/core/schedule.js";
import { type Block, planBlocks, slotRange } from "../../../../shared/core/slots.js";
import type { Unit, WorkPlan } from "../../../leases/unit.js";
import { COLD_LEASE_MS, type Course, type PlanSetting } from "../mode.js";

/** The series of a block's times (Patience.series): of one slot. */
export const BLOCK_SERIES = "block";

/** A block of a step. */
export interface BlockUnit extends Unit {
  step: number;
  block: Block;
}

export function blockPlan(setting: PlanSetting, { step, stopAt }: Course): WorkPlan<BlockUnit> {
  const { plan } = setting;
  return {
    title: "the training",
    units: (crew) =>
      step >= stopAt
        ? []
        : planBlocks(plan.slots, crew.speeds(BLOCK_SERIES)).map((block) => blockUnit(setting, step, block)),
    wants: () => step < stopAt,
    advance: (_last, isComplete) =>
      isComplete
        ? { commit: { step, steps: 1 }, plan: blockPlan(setting, { step: step + 1, stopAt }) }
        : undefined,
  };
}

function blockUnit({ plan, floorMs }: PlanSetting, step: number, block: Block): BlockUnit {
  const samples = stepSamples(plan, step);
  const { first, count } = block;
  const last = first + count - 1;
  const [whole, part] = [`step ${step}`, count === 1 ? `slot ${first}` : `slots ${first}–${last}`];
  return {
    id: `step ${step} slots ${first}-${last}`,
    words: { name: `${whole}, ${part}`, whole, part },
    step,
    block,
    images: slotRange(samples, plan.slots, last).end - slotRange(samples, plan.slots, first).start,
    steps: 1,
    patience: { series: BLOCK_SERIES, scale: count, floorMs, unknownMs: COLD_LEASE_MS, warmUpMs: 0 },
    affinity: `slot ${first}`,
  };
}
