/** Many steps for one worker at a time; a stretch commits when its state is back. */
import { stepImages } from "../../../../shared/core/schedule.js";
import type { Unit, WorkPlan } from "../../../leases/unit.js";
import { COLD_LEASE_MS, type Course, type PlanSetting } from "../mode.js";
import { stepsLeft, stretchLength } from "./stretch-lengths.js";

/** The lease before: its length, and the time of one of its steps; 0 while there was none. */
export interface LastStretch {
  steps: number;
  stepMs: number;
}

export const NO_STRETCH: LastStretch = { steps: 0, stepMs: 0 };

/** The steps [first, first + steps). */
export interface StretchUnit extends Unit {
  first: number;
}

export function stretchPlan(
  setting: PlanSetting,
  course: Course,
  last: LastStretch = NO_STRETCH,
): WorkPlan<StretchUnit> {
  const { step, stopAt } = course;
  return {
    title: "the training",
    units: () => (step >= stopAt ? [] : [stretchUnit(setting, course, last)]),
    wants: () => step < stopAt,
    advance: ({ steps, stepMs }) => ({
      commit: { step, steps },
      plan: stretchPlan(setting, { step: step + steps, stopAt }, { steps, stepMs }),
    }),
  };
}

function stretchUnit(
  { plan, floorMs }: PlanSetting,
  { step, stopAt }: Course,
  last: LastStretch,
): StretchUnit {
  const count = stretchLength(stepsLeft(plan, step, stopAt), last.stepMs, last.steps);
  let images = 0;
  for (let at = step; at < step + count; at++) {
    const range = stepImages(plan, at);
    images += range.end - range.first;
  }
  const isFirst = last.steps === 0;
  const whole = `steps ${step}–${step + count - 1}`;
  return {
    id: `steps ${step}-${step + count - 1}`,
    words: { name: whole, whole },
    first: step,
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
