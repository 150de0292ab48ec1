/**
 * A stretch: the consecutive steps of one exclusive lease. What comes back of it is one stream of values, the state after
 * its last step: parameters, velocity, then three scalars for each step, the tail of that step's sum (`TAIL`).
 */
import { type Layout, TAIL } from "./layout.js";

/** Values of the stream after so many steps. */
export function stateSize(layout: Layout, steps: number): number {
  return tailsStart(layout) + TAIL.length * steps;
}

/** Where the scalars of the first step lie. */
export function tailsStart(layout: Layout): number {
  return 2 * layout.size;
}

/** The parts of a stream, as views. */
export interface StateParts {
  parameters: Float32Array;
  velocity: Float32Array;
  /** [steps x TAIL.length] */
  tails: Float32Array;
}

export function stateParts(layout: Layout, stream: Float32Array): StateParts {
  return {
    parameters: stream.subarray(0, layout.size),
    velocity: stream.subarray(layout.size, tailsStart(layout)),
    tails: stream.subarray(tailsStart(layout)),
  };
}
