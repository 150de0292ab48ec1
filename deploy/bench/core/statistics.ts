/** Medians and ratios of interleaved rounds. */
import { at } from "../../../shared/core/at.js";

export interface Summary {
  median: number;
  min: number;
  max: number;
  rounds: number[];
}

export function summarise(rounds: readonly number[]): Summary {
  const sorted = [...rounds].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? NaN) + upper) / 2;
  return { median, min: sorted[0] ?? NaN, max: sorted.at(-1) ?? NaN, rounds: [...rounds] };
}

/** Each round against its own neighbour: what the machine did meanwhile cancels out. */
export function ratios(above: readonly number[], below: readonly number[]): Summary {
  return summarise(above.map((value, i) => value / at(below, i)));
}
