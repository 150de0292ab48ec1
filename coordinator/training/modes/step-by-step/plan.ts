/** Synchronous training: the blocks of one step, to whoever is idle; the step commits when all of them are computed. */
import { stepSamples } from "../../../../shared/core/schedule.js";
import { type Block, planBlocks, slotRange } from "../../../../shared/core/slots.js";
import type { Unit } from "../../../leases/unit.js";
import { BLOCK_SERIES, COLD_LEASE_MS, type Course, type Mode, type ModeSetting } from "../mode.js";

export function stepByStep(setting: ModeSetting, { step, stopAt }: Course): Mode {
  const { plan } = setting;
  return {
    kind: "step",
    units: (crew) =>
      step >= stopAt
        ? []
        : planBlocks(plan.slots, crew.speeds(BLOCK_SERIES)).map((block) => blockUnit(setting, step, block)),
    wants: () => step < stopAt,
    advance: (_last, isComplete) =>
      isComplete
        ? { commit: { step, steps: 1 }, plan: stepByStep(setting, { step: step + 1, stopAt }) }
        : undefined,
  };
}

function blockUnit({ plan, floorMs }: ModeSetting, step: number, block: Block): Unit {
  const samples = stepSamples(plan, step);
  const last = block.first + block.count - 1;
  return {
    id: blockId(step, block),
    images: slotRange(samples, plan.slots, last).end - slotRange(samples, plan.slots, block.first).start,
    steps: 1,
    patience: { series: BLOCK_SERIES, scale: block.count, floorMs, unknownMs: COLD_LEASE_MS, warmUpMs: 0 },
    affinity: `slot ${block.first}`,
  };
}

export function blockId(step: number, { first, count }: Block): string {
  return `step ${step} slots ${first}-${first + count - 1}`;
}

const BLOCK_ID = /^step (\d+) slots (\d+)-(\d+)$/;

/** The block of a unit's id. */
export function blockOf(id: string): Block & { step: number } {
  const [, step, first, last] = BLOCK_ID.exec(id) ?? [];
  if (step === undefined) throw new RangeError(`"${id}" names no block`);
  return { step: Number(step), first: Number(first), count: Number(last) - Number(first) + 1 };
}
