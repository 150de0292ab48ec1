/** Which steps of a run are computed again: from states that are there, so far that something recorded tells the result. */
import { ClusterError } from "../../shared/errors.js";

/** A state to begin with. `checkpoint`: its folder's name; undefined for the weights that the seed gives. */
export interface Start {
  step: number;
  checkpoint: string | undefined;
}

/** The steps [start.step, end) are computed from the start. */
export interface Stretch {
  start: Start;
  end: number;
}

export interface Known {
  /** By step, rising; the seed's comes first, unless the run began with another one's weights. */
  starts: readonly Start[];
  /** Steps committed, as far as the run's books go. */
  steps: number;
}

/** Computed again unless somebody says otherwise: seconds, with the paper's networks. */
export const DEFAULT_STEPS = 24;
/** Each start costs a state to load, and says as much as the others. */
const MOST_STARTS = 3;

/** A few steps after each of some starts: as many as `budget` in all. */
export function someStretches({ starts, steps }: Known, budget: number): Stretch[] {
  const gaps = starts
    .map((start, i) => ({ start, room: Math.min(starts[i + 1]?.step ?? steps, steps) - start.step }))
    .filter(({ room }) => room > 0);
  const chosen = spread(gaps, Math.min(MOST_STARTS, budget));
  // Where there is little room all of it is used, and the rest is for the others.
  const byRoom = [...chosen].sort((a, b) => a.room - b.room);
  let left = budget;
  const stretches = byRoom.map(({ start, room }, i) => {
    const count = Math.min(room, Math.floor(left / (byRoom.length - i)));
    left -= count;
    return { start, end: start.step + count };
  });
  return stretches.sort((a, b) => a.start.step - b.start.step);
}

/** Evenly, the first and the last included. */
function spread<Value>(values: readonly Value[], most: number): Value[] {
  if (values.length <= most) return [...values];
  const places = Array.from({ length: most }, (_, i) =>
    most === 1 ? 0 : Math.round((i * (values.length - 1)) / (most - 1)),
  );
  return values.filter((_, i) => places.includes(i));
}

/** The steps [from, to), from the last start before them. Throws ClusterError("usage"). */
export function stretchBetween({ starts, steps }: Known, from: number, to: number): Stretch {
  if (from >= to || to > steps) {
    throw new ClusterError(
      "usage",
      `Cannot recompute the steps from ${from} up to ${to}: the run has done ${steps} steps, from 0 up to ${steps}`,
    );
  }
  const start = starts.findLast(({ step }) => step <= from);
  if (start === undefined)
    throw new ClusterError(
      "usage",
      `Cannot recompute the steps from ${from} on: no state before them is here`,
      {
        hint: "the run began with another run's weights, or its first checkpoint is gone",
      },
    );
  return { start, end: to };
}

/** "steps 0–6, 20–26" */
export function stepsInWords(stretches: readonly Stretch[]): string {
  const ranges = stretches.map(({ start, end }) =>
    end - start.step === 1 ? String(start.step) : `${start.step}–${end - 1}`,
  );
  return `${ranges.length === 1 && !ranges[0]?.includes("–") ? "step" : "steps"} ${ranges.join(", ")}`;
}

export function stepCount(stretches: readonly Stretch[]): number {
  return stretches.reduce((sum, { start, end }) => sum + end - start.step, 0);
}
