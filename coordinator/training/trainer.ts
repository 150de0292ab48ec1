/** A training as the run's conductor sees it, however its steps are leased: training.ts, exclusive-training.ts. */
import type { Job } from "../leases/job.js";
import type { TrainingState } from "./step-training.js";

export interface Trainer extends Job {
  /** Steps committed. */
  readonly step: number;
  readonly totalSteps: number;
  /** A copy of the state after the last committed step. */
  snapshot(): TrainingState;
  /** Trains until `step` steps are committed; resolves then. Leases are open only in between. */
  runTo(step: number): Promise<void>;
  /** Finishes the step in work and resolves `runTo`: the first Ctrl-C. */
  pause(): void;
  /** Gives the work in hand up, as if it had never begun; resolves `runTo`: nobody is there to finish it. */
  giveUpStep(): void;
  /** Gives up; resolves `runTo`. The state is of no use then. */
  abandon(): void;
  /** Gives its memory back: nothing may be asked of it any more. */
  dispose?(): void;
}
