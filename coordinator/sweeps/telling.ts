/** How a sweep stands, as it is told while it goes on. */
import type { SweepLine, TrialRow, TrialState } from "../../shared/records/sweep-line.js";
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

/** What the book does not know. */
export interface UnderWay {
  /** Training images that trials have seen since their last rung. */
  samples: number;
  /** Trials at which a worker computes. */
  served: ReadonlySet<string>;
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
      const { rung, decision, reason, time, trial: id } = line;
      const trial = this.#book.row(id)?.number ?? 0;
      this.#decisions.unshift({ trial, id, rung, decision, reason, time });
    }
    this.#decisions.splice(MOST_DECISIONS);
  }

  get #finished(): number {
    const { done, stopped, failed } = this.#book.counts();
    return done + stopped + failed;
  }

  /** `state`: as far as nobody has cancelled it. */
  progress(nowS: number, underWay: UnderWay, state: SweepState = "running"): SweepProgress {
    const book = this.#book;
    const { planned, samplesSeen, isCancelled, began = nowS } = book.summary();
    const { name, title, objectives, noteOf } = this.#told;
    const all = samplesSeen + underWay.samples;
    const told = isCancelled ? "cancelled" : state;
    // Where nothing goes on any more, what has begun is interrupted, and does not wait.
    const served = told === "running" ? underWay.served : undefined;
    return {
      ...{ name, title, objectives, planned },
      state: told,
      counts: shownCounts(book.counts(), served),
      rungs: book.rungCounts(),
      samplesSeen: all,
      samplesPerSecond: this.#speed(nowS, all),
      best: book.best(MOST_BEST_TRIALS).map((row) => ({
        ...shownTrial(row, noteOf?.(row)),
        state: shownState(row, served),
      })),
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

/** More trials begin than there are workers, lest one waits for a trial; until it has a worker, a trial waits itself. */
function shownCounts(
  counts: Readonly<Record<TrialState, number>>,
  served: ReadonlySet<string> | undefined,
): Record<TrialState, number> {
  const running = Math.min(counts.running, served?.size ?? Infinity);
  return { ...counts, running, waiting: counts.waiting + counts.running - running };
}

function shownState({ trial, state }: TrialRow, served: ReadonlySet<string> | undefined): TrialState {
  return state === "running" && served?.has(trial) === false ? "waiting" : state;
}
