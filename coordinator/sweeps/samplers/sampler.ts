/** What a way of searching is: from what was tried so far to what is tried next. */
import type { TrialState, Values } from "../../../shared/records/sweep-line.js";
import type { Space } from "../space-shape.js";

/** A trial of this search, as far as it looks at it. */
export interface TriedTrial {
  /** The number that it was proposed under. */
  number: number;
  values: Values;
  state: TrialState;
  /** Rung of its newest result; -1 while there is none. */
  rung: number;
  /** First objective of its newest result, turned so that less is better; undefined while there is none. */
  loss: number | undefined;
}

export interface History {
  /** In the journal's order. */
  trials: readonly TriedTrial[];
}

/**
 * A pure function of (spec, history, seed); what it remembers only saves time. `number`: how many were proposed before. Two
 * numbers may give settings that are one trial: whoever asks leaves the second out and asks for the next number. "none": the
 * search has come to its end, whatever the number.
 */
export interface Sampler {
  propose(number: number, history: History): Values | "wait" | "none";
}

export type MakeSampler = (space: Space) => Sampler;
