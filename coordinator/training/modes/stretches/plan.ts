/** Many steps for one worker, which sums and updates by the same shared code: a stretch commits when its state is back. */
import { stepImages } from "../../../../shared/core/schedule.js";
import type { Unit } from "../../../leases/unit.js";
import { COLD_LEASE_MS, type Course, type Mode, type ModeSetting } from "../mode.js";
import { stepsLeft, stretchLength } from "./stretch-lengths.js";

/** The lease before: its length, and the time of one of its steps; 0 while there was none. */
export interface LastStretch {
  steps: number;
  stepMs: number;
}

const NONE: LastStretch = { steps: 0, stepMs: 0 };

export function stretches(setting: ModeSetting, course: Course, last: LastStretch = NONE): Mode {
  const { step, stopAt } = course;
  return {
    kind: "exclusive",
    units: () => (step >= stopAt ? [] : [stretchUnit(setting, course, last)]),
    wants: () => step < stopAt,
    advance: ({ steps, stepMs }) => ({
      commit: { step, steps },
      plan: stretches(setting, { step: step + steps, stopAt }, { steps, stepMs }),
    }),
  };
}

function stretchUnit({ plan, floorMs }: ModeSetting, { step, stopAt }: Course, last: LastStretch): Unit {
  const count = stretchLength(stepsLeft(plan, step, stopAt), last.stepMs, last.steps);
  let images = 0;
  for (let at = step; at < step + count; at++) {
    const range = stepImages(plan, at);
    images += range.end - range.first;
  }
  const isFirst = last.steps === 0;
  return {
    id: stretchId(step, count),
    images,
    steps: count,
    isExclusive: true,
    patience: {
      series: "stretch",
      scale: count,
      floorMs,
      unknownMs: isFirst ? 2 * COLD_LEASE_MS : COLD_LEASE_MS,
      warmUpMs: isFirst ? 0 : COLD_LEASE_MS,
    },
  };
}

function stretchId(first: number, count: number): string {
  return `steps ${first}-${first + count - 1}`;
}

const STRETCH_ID = /^steps (\d+)-(\d+)$/;

/** The steps [first, first + count) of a unit's id. */
export function stretchOf(id: string): { first: number; count: number } {
  const [, first, last] = STRETCH_ID.exec(id) ?? [];
  if (first === undefined) throw new RangeError(`"${id}" names no stretch`);
  return { first: Number(first), count: Number(last) - Number(first) + 1 };
}
