/** When a run saves its weights, and what it does when that fails. */
import { ClusterError } from "../../shared/errors.js";
import type { TrainingState } from "../../shared/records/checkpoint.js";
import type { RunSetup } from "./setup.js";
import { writeStatus } from "./status.js";
import type { StepBooks } from "./step-books.js";
import { weightsOf } from "./weights.js";

/** Lines that a full disk holds back. Beyond it the run ends: memory is no disk. */
const MOST_HELD_BYTES = 64 * 1024 * 1024;

export class Checkpointing {
  readonly #run: RunSetup;
  readonly #books: StepBooks;
  #bestAccuracy: number;
  /** What could not be done and needs not: each is said once. */
  readonly #noted = new Set<string>();

  constructor(run: RunSetup, books: StepBooks, bestAccuracy: number) {
    this.#run = run;
    this.#books = books;
    this.#bestAccuracy = bestAccuracy;
  }

  /**
   * The books first: a checkpoint never stands without the ledger that leads to it. A checkpoint on the way that cannot be
   * written costs nothing but itself: training goes on, the last good one stays, and the books keep what they could not
   * write. Without the last one the weights would be lost, so the run fails: ClusterError("storage").
   */
  async save(state: TrainingState, accuracy: number | null, isLast: boolean): Promise<void> {
    const { clock, observer, checkpoints, resolved, identity, storage } = this.#run;
    const began = clock.now();
    const seconds = (): number => (clock.now() - began) / 1000;
    const best = accuracy !== null && accuracy > this.#bestAccuracy;
    try {
      this.#books.named(weightsOf(state));
      await this.#books.flush();
      const { bytes, notes } = await checkpoints.write(state, {
        model: resolved.network.name,
        settings: resolved.network.settings,
        identity,
        cleanAccuracy: accuracy,
        best,
      });
      if (best) this.#bestAccuracy = accuracy;
      observer.checkpoint("written", seconds(), bytes);
      for (const note of notes) this.#noteOnce(note);
    } catch (error) {
      observer.checkpoint("failed", seconds(), 0);
      const failure = error instanceof ClusterError ? error : new ClusterError("storage", messageOf(error));
      if (isLast || this.#books.heldBytes > MOST_HELD_BYTES) throw unsaved(storage.path, failure);
      const { message, hint } = failure;
      observer.note("error", hint === undefined ? message : `${message} (${hint})`);
    }
    await writeStatus(this.#run, "training", state.step);
  }

  #noteOnce(note: string): void {
    if (this.#noted.has(note)) return;
    this.#noted.add(note);
    this.#run.observer.note("warning", note);
  }
}

/** The weights as they are now could not be saved. */
function unsaved(directory: string, cause: ClusterError): ClusterError {
  const hints = [cause.hint, `then go on from the last good checkpoint: npx saf train --resume ${directory}`];
  return new ClusterError("storage", `Cannot save the final weights: ${cause.message}`, {
    cause,
    hint: hints.filter((hint) => hint !== undefined).join("; "),
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
