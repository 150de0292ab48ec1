/** What leases are for, as the book sees it: pieces of work, and plans that say which come next. */
import type { Block } from "../../shared/core/slots.js";
import type { Patience } from "./deadline.js";

/**
 * A piece of work that one worker can hold: a block, a stretch of steps, an evaluation task, features. Whoever lists units
 * may give them fields of their own: the book hands each back as it is.
 */
export interface Unit {
  /** Names it within its job, in words: the same piece offered again has the same id. Nothing is read out of it. */
  id: string;
  words?: UnitWords;
  /** Images to compute: of a block, or of a task at all its strengths. */
  images: number;
  /** What its holder counts its progress in: steps of a stretch; else 1. */
  steps: number;
  patience: Patience;
  /** It begins from a state that only its holder has, and nothing else waits for it: no second worker may help. */
  isExclusive?: true;
  /** Whoever held a unit of this affinity last is offered the next one first: it has its inputs ready. */
  affinity?: string;
  /** Which leaves of the tree of sums it brings: mates of one host get such as lie together. */
  block?: Block;
}

/** A unit, for people. */
export interface UnitWords {
  /** "step 120, slots 2–3", "steps 8–71", "pgd-40, images 0–99" */
  name: string;
  /** What cannot go on without it: "step 120"; undefined: all of the job. */
  whole?: string;
  /** Which part of that it is: "slots 2–3"; undefined: all of it. */
  part?: string;
}

/** A unit that was computed and accepted. */
export interface Computed {
  unit: Unit;
  worker: string;
  /** Steps that it came to: a stretch may end early. */
  steps: number;
  /** Time of one of these steps, as its worker measured it if that can be true. */
  stepMs: number;
}

/** The workers that may be served. */
export interface Crew {
  /** Their speeds at units of a series, relative to the fastest. */
  speeds(series: string): readonly number[];
}

/**
 * What a job wants done, as a value that does not change: a training's mode, an evaluation's list. The book asks it for
 * units when somebody could take them.
 */
export interface WorkPlan<Own extends Unit = Unit> {
  /** What all of it is, for people: "the training". */
  title?: string;
  /** The units to lease now, in order, cut for the workers that are there. */
  units(crew: Crew): readonly Own[];
  /** Is a unit of an earlier plan of the same job still wanted? */
  wants(unit: Unit): boolean;
  /**
   * May what is computed be committed, and what comes then? Undefined while more is missing. `last`: what came just now;
   * `isComplete`: nothing of the units in work is missing.
   */
  advance(last: Computed, isComplete: boolean): { commit: Commit; plan: WorkPlan<Own> } | undefined;
}

/** Nothing is wanted. */
export const NO_WORK: WorkPlan = { units: () => [], wants: () => false, advance: () => undefined };

/** So many steps from this one on are done. */
export interface Commit {
  step: number;
  steps: number;
}
