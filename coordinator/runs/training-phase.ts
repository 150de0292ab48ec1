/** The trainer that a run has. The one file that makes it, and tells it how to train: training/registry.ts. */
import type { ClusterError } from "../../shared/errors.js";
import { AGGREGATION, MODES, modeName } from "../training/registry.js";
import { Trainer } from "../training/trainer.js";
import type { TrainingState } from "../../shared/records/checkpoint.js";
import type { CommittedStep } from "../training/training-types.js";
import type { RunSetup } from "./setup.js";

export class TrainingPhase {
  readonly trainer: Trainer;
  readonly #run: RunSetup;
  #failure: ClusterError | undefined;

  constructor(run: RunSetup, state: TrainingState, onCommit: (step: CommittedStep) => void) {
    this.#run = run;
    const { coordinator, clock, broadcast, mapped, observer, tracer } = run;
    const { runId, account, mostLosses, resolved, layout, plan, term, leaseFloorMs, spec } = run;
    this.trainer = new Trainer(
      {
        ...{ runId, account, mostLosses, run: resolved, layout, plan, term, leaseFloorMs, spec, state },
        aggregate: AGGREGATION,
        behind: run.behind.tasks,
      },
      {
        clock: () => clock.now(),
        broadcast,
        mapped,
        onCommit,
        onProgress: (done, loss, accuracy) => observer.advanced(done, run.totalSteps, loss, accuracy),
        onMeasured: (worker, results) => run.behind.found(worker, results),
        fail: (error) => {
          this.#failure ??= error;
          this.trainer.giveUpStep();
        },
        ...(tracer === undefined ? {} : { tracer }),
      },
      coordinator.desk,
    );
    coordinator.add(this.trainer);
  }

  /**
   * Trains on to this step, or until the trainer is paused. Other runs may have come or gone since the last time: the mode
   * may be another one from here on. Throws ClusterError: "diverged", and what else a training ends with.
   */
  async runTo(step: number): Promise<void> {
    const { config, plan, runsSideBySide } = this.#run;
    await this.trainer.runTo(step, MODES[modeName(config.train.lease, plan.slots, runsSideBySide())]);
    if (this.#failure !== undefined) throw this.#failure;
  }

  end(): void {
    this.#run.coordinator.remove(this.trainer);
    this.trainer.dispose();
  }
}
