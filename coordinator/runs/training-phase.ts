/** The trainer that a run has now. The one file that makes trainers: one for each kind of lease. */
import type { ClusterError } from "../../shared/errors.js";
import { type LeaseKind, leaseKind } from "../training/stretch.js";
import { ExclusiveTraining } from "../training/stretch-training.js";
import { type CommittedStep, TrainingJob, type TrainingState } from "../training/step-training.js";
import type { Trainer } from "../training/trainer.js";
import type { RunSetup } from "./setup.js";

export class TrainingPhase {
  readonly #run: RunSetup;
  readonly #onCommit: (step: CommittedStep) => void;
  #kind: LeaseKind;
  #trainer: Trainer;
  #failure: ClusterError | undefined;

  constructor(run: RunSetup, start: TrainingState, onCommit: (step: CommittedStep) => void) {
    this.#run = run;
    this.#onCommit = onCommit;
    this.#kind = this.#kindNow();
    this.#trainer = this.#make(start);
    run.coordinator.add(this.#trainer);
  }

  get trainer(): Trainer {
    return this.#trainer;
  }

  /** Trains on to this step, or until the trainer is paused. Throws ClusterError: "diverged" and what else a training ends with. */
  async runTo(step: number): Promise<void> {
    await this.#trainer.runTo(step);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Other runs may have come or gone: leases may have to be of the other kind from here on. */
  adapt(): void {
    const kind = this.#kindNow();
    if (kind === this.#kind) return;
    const { coordinator } = this.#run;
    const next = this.#make(this.#trainer.snapshot(), kind);
    this.end();
    this.#kind = kind;
    this.#trainer = next;
    coordinator.add(next);
  }

  end(): void {
    this.#run.coordinator.remove(this.#trainer);
    this.#trainer.dispose?.();
  }

  #kindNow(): LeaseKind {
    const { config, plan, runsSideBySide } = this.#run;
    return leaseKind(config.train.lease, plan.slots, runsSideBySide());
  }

  #make(state: TrainingState, kind = this.#kind): Trainer {
    const { coordinator, clock, broadcast, mapped, observer, tracer, totalSteps } = this.#run;
    const { runId, config, resolved, layout, plan, term, spec } = this.#run;
    const options = { runId, config, run: resolved, layout, plan, term, spec, state };
    const edges = {
      clock: () => clock.now(),
      wake: () => coordinator.pump(),
      workers: () => coordinator.workerCount,
      onCommit: this.#onCommit,
      fail: (error: ClusterError) => {
        this.#failure ??= error;
        job.abandon();
      },
    };
    const job: Trainer =
      kind === "step"
        ? new TrainingJob(options, {
            ...edges,
            broadcast,
            mapped,
            ...(tracer === undefined ? {} : { tracer }),
          })
        : new ExclusiveTraining(options, {
            ...edges,
            recall: () => coordinator.recall(job),
            onProgress: (done, loss, accuracy) => observer.advanced(done, totalSteps, loss, accuracy),
          });
    return job;
  }
}
