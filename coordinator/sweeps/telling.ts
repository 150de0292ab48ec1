/** How a sweep stands, as it is told while it goes on. */
import type { SweepLine, TrialRow } from "../../shared/records/sweep-line.js";
import {
  MOST_BEST_TRIALS,
  MOST_DECISIONS,
  type SweepDecision,
  type SweepObjective,
  type SweepProgress,
  type SweepState,
  shownTrial,
} from "../../shared/sweep-progress.js";
import type { SweepBook } from "./book.js";

/** A shown speed is the mean over this time. */
const SPEED_WINDOW_S = 20;

export interface Told {
  name: string;
  title: string;
  objectives: readonly SweepObjective[];
  /** What else is to be said of a trial. */
  noteOf?: (row: TrialRow) => string | undefined;
}

export class SweepTelling {
  readonly #told: Told;
  readonly #book: SweepBook;
  readonly #decisions: SweepDecision[] = [];
  /** Images seen at moments of this process, the oldest first. */
  readonly #seen: { atS: number; samples: number }[] = [];
  /** When this process began, and what was finished then. */
  readonly #start: { atS: number; finished: number };

  constructor(told: Told, book: SweepBook, nowS: number) {
    this.#told = told;
    this.#book = book;
    this.#start = { atS: nowS, finished: this.#finished };
  }

  /** Decisions are told, the newest first. */
  heard(lines: readonly SweepLine[]): void {
    for (const line of lines) {
      if (line.kind !== "decision") continue;
      const { rung, decision, reason, time, trial } = line;
      const number = this.#book.row(trial)?.number ?? 0;
      this.#decisions.unshift({ trial: number, rung, decision, reason, time });
    }
    this.#decisions.splice(MOST_DECISIONS);
  }

  get #finished(): number {
    const { done, stopped, failed } = this.#book.counts();
    return done + stopped + failed;
  }

  /** `samplesUnderWay`: of trials since their last rung; `state`: as far as nobody has cancelled it. */
  progress(nowS: number, samplesUnderWay: number, state: SweepState = "running"): SweepProgress {
    const book = this.#book;
    const { planned, samplesSeen, isCancelled, began = nowS } = book.summary();
    const counts = book.counts();
    const { name, title, objectives, noteOf } = this.#told;
    const all = samplesSeen + samplesUnderWay;
    return {
      ...{ name, title, objectives, counts, planned },
      state: isCancelled ? "cancelled" : state,
      rungs: book.rungCounts(),
      samplesSeen: all,
      samplesPerSecond: this.#speed(nowS, all),
      best: book.best(MOST_BEST_TRIALS).map((row) => shownTrial(row, noteOf?.(row))),
      seconds: Math.max(0, nowS - began),
      etaSeconds: this.#eta(nowS, planned),
      decisions: this.#decisions,
    };
  }

  #speed(nowS: number, samples: number): number {
    this.#seen.push({ atS: nowS, samples });
    while (this.#seen.length > 2 && nowS - (this.#seen[1]?.atS ?? nowS) > SPEED_WINDOW_S) this.#seen.shift();
    const oldest = this.#seen[0];
    if (oldest === undefined || nowS <= oldest.atS) return 0;
    return Math.max(0, (samples - oldest.samples) / (nowS - oldest.atS));
  }

  /** As fast as so far. */
  #eta(nowS: number, planned: number | undefined): number | undefined {
    const finished = this.#finished - this.#start.finished;
    if (planned === undefined || finished === 0) return undefined;
    return ((nowS - this.#start.atS) / finished) * Math.max(0, planned - this.#finished);
  }
}
