/** The runs whose network and weights stay loaded: with several side by side a worker goes from one to another. */
import { runHashIn } from "../shared/core/chunk.js";
import { RUNS_KEPT } from "../shared/loaded-runs.js";
import type { saf } from "../shared/messages.js";
import { type PreparedRun, type RunSources, prepareRun } from "./run-setup.js";

export class LoadedRuns {
  readonly #sources: RunSources;
  /** By id; the one used last comes last. */
  readonly #runs = new Map<string, PreparedRun>();

  constructor(sources: RunSources) {
    this.#sources = sources;
  }

  /**
   * Prepares a run that is not loaded, or was loaded by another recipe, in place of the one that waits longest. `told`: its
   * description, where that came with the lease. Throws as `prepareRun`.
   */
  async get(
    { runId, recipe }: { runId: string; recipe: string },
    told?: saf.v1.RunSpec,
  ): Promise<PreparedRun> {
    let run = this.#runs.get(runId);
    if (run !== undefined && recipe !== run.recipe) {
      this.#forget(run);
      run = undefined;
    }
    if (run === undefined) {
      this.#forgetOldest();
      run = await prepareRun(this.#sources, { runId, recipe, told });
    }
    this.#runs.delete(runId);
    this.#runs.set(runId, run);
    return run;
  }

  /** A frame of a broadcast goes to the run that it names. */
  accept(frame: Uint8Array, inPlace: boolean | undefined): void {
    const runHash = runHashIn(frame);
    for (const run of this.#runs.values()) {
      if (run.runHash === runHash) run.parameters.accept(frame, inPlace);
    }
  }

  #forgetOldest(): void {
    const tooMany = this.#runs.size - RUNS_KEPT + 1;
    for (const run of [...this.#runs.values()].slice(0, Math.max(0, tooMany))) this.#forget(run);
  }

  #forget(run: PreparedRun): void {
    const { engine } = this.#sources;
    this.#runs.delete(run.runId);
    engine.send({ type: "forget", runId: run.runId });
    run.home?.release(run.frames);
    run.carried.dispose();
    run.memory.giveBack();
  }
}
