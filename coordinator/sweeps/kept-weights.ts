/** Of which trials the final weights are kept: of the best so far. */
import { lossOf } from "../../shared/config/objectives.js";
import type { SweepBook } from "./book.js";
import { unmetOf } from "./ranking.js";
import type { Space } from "./space-shape.js";

export class KeptWeights {
  readonly #most: number;
  /** By which trials are compared, the less the better; undefined: not to be ranked. */
  readonly #lossOf: (trial: string) => number | undefined;
  /** The best first. */
  readonly #kept: { trial: string; loss: number }[] = [];

  constructor(most: number | "all", lossOf: (trial: string) => number | undefined) {
    this.#most = most === "all" ? Infinity : most;
    this.#lossOf = lossOf;
  }

  /**
   * Where a process before this one left off: `done` trials, and those whose weights are `stored`. Which of these are not
   * among the best, and which of the best have none? They take nobody's place.
   */
  startWith(done: readonly string[], stored: ReadonlySet<string>): { dropped: string[]; missing: string[] } {
    const best = new KeptWeights(this.#most, this.#lossOf);
    for (const trial of done) best.offer(trial);
    const missing = best.#kept.filter(({ trial }) => !stored.has(trial)).map(({ trial }) => trial);
    const present = done.filter((trial) => stored.has(trial));
    for (const trial of present) this.offer(trial);
    const kept = new Set(this.#kept.map(({ trial }) => trial));
    return { dropped: present.filter((trial) => !kept.has(trial)), missing };
  }

  /** A trial is done. Is it among the best, and which ones are so no more? */
  offer(trial: string): { isKept: boolean; dropped: string[] } {
    const loss = this.#lossOf(trial) ?? Infinity;
    const place = this.#kept.findIndex((other) => loss < other.loss);
    this.#kept.splice(place < 0 ? this.#kept.length : place, 0, { trial, loss });
    const dropped = this.#kept.splice(Math.min(this.#kept.length, this.#most)).map((one) => one.trial);
    return { isKept: !dropped.includes(trial), dropped: dropped.filter((one) => one !== trial) };
  }
}

/** By the first objective, the less the better; whoever breaks a constraint is not to be ranked. */
export function lossIn(
  book: Pick<SweepBook, "row">,
  { objectives: [first], constraints }: Space,
): (trial: string) => number | undefined {
  return (trial) => {
    const metrics = book.row(trial)?.metrics;
    if (metrics === undefined || first === undefined) return undefined;
    return unmetOf(metrics, constraints).length === 0 ? lossOf(first, metrics[first.metric]) : undefined;
  };
}

/** Of the trials that are done, those whose weights should be kept and are not `stored`. */
export function missingWeights(
  { space, book }: { space: Space; book: Pick<SweepBook, "row" | "rows"> },
  stored: ReadonlySet<string>,
): string[] {
  const done = book.rows().filter(({ state }) => state === "done");
  const kept = new KeptWeights(space.spec.keep_weights, lossIn(book, space));
  return kept.startWith(
    done.map(({ trial }) => trial),
    stored,
  ).missing;
}

export function missingWords(missing: readonly string[]): string {
  const some = `${missing.slice(0, 3).join(", ")}${missing.length > 3 ? ", …" : ""}`;
  return `weights/ lacks ${missing.length} of the best: saf reproduce trains a trial again to the same weights (${some})`;
}
