/**
 * The one account of a sweep: which trials there are, how far each is, what begins next. A value of the journal's lines in
 * their order: whoever applies the same ones to the same spec holds the same book, and decides the same.
 */
import {
  type FailedLine,
  type MetricValues,
  type ResultLine,
  SWEEP_JOURNAL_VERSION,
  type SweepLine,
  type TrialRow,
  type TrialState,
} from "../../shared/records/sweep-line.js";
import { type KnownTrial, knownTrial } from "./belonging.js";
import { heirOf, heirWords } from "./heir.js";
import type { Outlook, Verdict } from "./pruners/pruner.js";
import type { Limit, Spent } from "./search.js";
import { rungConfig } from "./rungs.js";
import type { RungOutcome, Segment, SegmentEnd, SegmentFailure } from "./segment.js";
import type { Space } from "./space-shape.js";
import { SweepState } from "./state.js";
import { type TrialRecord, nextRung } from "./trial-record.js";
import {
  type RungCount,
  type SweepSummary,
  bestOf,
  isOverAt,
  isStateWanted,
  rowIn,
  rowsOf,
  summaryOf,
} from "./views.js";

/** What is to be done now. `lines` are in the book already and go to the journal before the segment begins. */
export type Taken =
  | { kind: "begin"; segment: Segment; lines: SweepLine[] }
  /** Something may begin when one of the segments under way has ended. */
  | { kind: "wait"; lines: SweepLine[] }
  /** Nothing is under way, and nothing more begins. */
  | { kind: "none"; lines: SweepLine[] };

/** What would fail again in the same way. */
const FINAL: readonly FailedLine["code"][] = ["diverged", "config", "shape-mismatch"];

export class SweepBook {
  readonly #state: SweepState;
  /** Segments under way, by trial. */
  readonly #inHand = new Map<string, UnderWay>();

  constructor(space: Space, code: string) {
    this.#state = new SweepState(space, code);
  }

  /** A process goes on with the sweep; applied already. */
  open(timeS: number): SweepLine[] {
    const { space, code, hashes } = this.#state;
    const lines: SweepLine[] = [];
    const { name } = space.spec;
    this.#write(
      { kind: "opened", version: SWEEP_JOURNAL_VERSION, name, ...hashes, code, time: timeS },
      lines,
    );
    return lines;
  }

  /** Replays a line of the journal. Why it is refused, in words; undefined where it counts. */
  apply(line: SweepLine): string | undefined {
    return this.#state.apply(line);
  }

  take(timeS: number): Taken {
    const lines: SweepLine[] = [];
    const begun = this.#state.totals.isCancelled ? undefined : this.#next(timeS, lines);
    if (begun === undefined) return { kind: this.#inHand.size > 0 ? "wait" : "none", lines };
    const { segment } = begun;
    this.#inHand.set(segment.trial, begun);
    return { kind: "begin", segment, lines };
  }

  /** What was interrupted, then what is good enough to go on, then something new; in the end, whoever is left. */
  #next(timeS: number, lines: SweepLine[]): UnderWay | undefined {
    this.#lookOver(timeS, lines);
    for (;;) {
      const found = this.#waitingForAWorker() ?? this.#promoted(timeS, lines) ?? this.#created(timeS, lines);
      const begun = found && this.#segmentOf(found.record, found.known, timeS, lines);
      if (begun !== undefined) return begun;
      // Each turn begins, fails or decides on a trial, and there are only so many.
      if (found === undefined && !this.#decideOnRest(timeS, lines)) return undefined;
    }
  }

  #waitingForAWorker(): Found | undefined {
    const record = this.#state.ready.first;
    return record && this.#found(record);
  }

  #found(record: TrialRecord): Found {
    const { space, code } = this.#state;
    return { record, known: knownTrial(space, record.values, code, record.parent) };
  }

  #promoted(timeS: number, lines: SweepLine[]): Found | undefined {
    const verdict = this.#state.rungs.promotion(this.#outlook(timeS, false));
    if (verdict === undefined) return undefined;
    this.#decide(verdict, timeS, lines);
    return this.#waitingForAWorker();
  }

  #created(timeS: number, lines: SweepLine[]): Found | undefined {
    const { search, totals, trials } = this.#state;
    const drawn = search.next(this.#promised(timeS), trials);
    if (drawn === "wait" || drawn === "none") return undefined;
    const { draw, values, trial: known } = drawn;
    const { id: trial, group } = known;
    this.#write({ kind: "trial", trial, number: totals.numbers, draw, values, group, time: timeS }, lines);
    const record = trials.get(trial);
    return record && { record, known };
  }

  /** Undefined when its settings cannot be: it has failed then. */
  #segmentOf(
    record: TrialRecord,
    known: KnownTrial,
    timeS: number,
    lines: SweepLine[],
  ): UnderWay | undefined {
    const { id: trial, number, attempt, parent } = record;
    const rung = nextRung(record);
    if ("impossible" in known) {
      const { code, message: reason } = known.impossible;
      this.#write({ kind: "failed", trial, attempt, rung, code, reason, final: true, time: timeS }, lines);
      return undefined;
    }
    this.#state.ready.remove(record);
    const { config, last, samples } = rungConfig(this.#state.space, known.config, rung);
    return {
      segment: { trial, number, attempt, rung, last, config, ...(parent === undefined ? {} : { parent }) },
      samples: Math.max(0, samples - this.#state.seenBy(record)),
    };
  }

  /** When nothing is under way and nothing begins any more: one more goes on, or is stopped. False when nobody is left. */
  #decideOnRest(timeS: number, lines: SweepLine[]): boolean {
    if (this.#inHand.size > 0) return false;
    const outlook = this.#outlook(timeS, true);
    const verdict = this.#state.rungs.promotion(outlook) ?? this.#state.rungs.verdict(outlook);
    if (verdict !== undefined) this.#decide(verdict, timeS, lines);
    return verdict !== undefined;
  }

  /** Applied already; none when the segment's attempt or rung is not the trial's present one. */
  ended(segment: Segment, end: SegmentEnd, timeS: number): SweepLine[] {
    this.#letGo(segment);
    const line =
      "outcome" in end
        ? resultLine(segment, end.outcome, timeS)
        : failedLine(this.#state, segment, end.failure, timeS);
    if (this.#state.apply(line) !== undefined) return [];
    const lines = [line];
    this.#lookOver(timeS, lines);
    return lines;
  }

  /** It was interrupted, and begins again. */
  returned(segment: Segment): void {
    if (!this.#letGo(segment)) return;
    const record = this.#state.trials.get(segment.trial);
    if (record?.state === "running") this.#state.ready.add(record);
  }

  /** False where another segment of the trial is under way, or none. */
  #letGo({ trial, attempt, rung }: Segment): boolean {
    const inHand = this.#inHand.get(trial)?.segment;
    if (inHand?.attempt !== attempt || inHand.rung !== rung) return false;
    return this.#inHand.delete(trial);
  }

  /** Failed trials, or all of them, may try again; others are passed over. */
  retry(trials: readonly string[] | "failed", timeS: number): SweepLine[] {
    const wanted = trials === "failed" ? [...this.#state.trials.keys()] : trials;
    const failed = wanted.filter((trial) => this.#state.trials.get(trial)?.state === "failed");
    const lines: SweepLine[] = [];
    for (const trial of new Set(failed)) this.#write({ kind: "retry", trial, time: timeS }, lines);
    return lines;
  }

  /** All is done that the spec wants: there is nothing to cancel, and nothing would begin. */
  isOver(timeS: number): boolean {
    return isOverAt(this.#state, this.#spent(timeS));
  }

  /** Nothing more begins, until `resume`. */
  cancel(timeS: number): SweepLine[] {
    return this.#setCancelled(true, timeS);
  }

  resume(timeS: number): SweepLine[] {
    return this.#setCancelled(false, timeS);
  }

  #setCancelled(isCancelled: boolean, timeS: number): SweepLine[] {
    const lines: SweepLine[] = [];
    const kind = isCancelled ? "cancelled" : "resumed";
    if (this.#state.totals.isCancelled !== isCancelled) this.#write({ kind, time: timeS }, lines);
    return lines;
  }

  /** Can a segment still begin with the state of this trial at this rung (its newest, unless said)? */
  isWanted(trial: string, rung?: number): boolean {
    return isStateWanted(this.#state, trial, rung);
  }

  /** Of the trials that the present spec makes, in the order of their numbers. */
  rows(): TrialRow[] {
    return rowsOf(this.#state, false);
  }

  /** Trials of an earlier spec or code: they neither go on nor are ranked. */
  outside(): TrialRow[] {
    return rowsOf(this.#state, true);
  }

  row(trial: string): TrialRow | undefined {
    const record = this.#state.trials.get(trial);
    return record && rowIn(this.#state, record);
  }

  counts(): Record<TrialState, number> {
    return { ...this.#state.totals.counts };
  }

  rungCounts(): RungCount[] {
    return this.#state.totals.rungs.map((counted, rung) => ({ rung, ...counted }));
  }

  /** By the first objective: done ones within the constraints, then those that have come farthest. */
  best(count: number): TrialRow[] {
    return bestOf(this.#state, count);
  }

  summary(): SweepSummary {
    return summaryOf(this.#state);
  }

  /** Decides on all that can be decided on: what was decided when a process died may not have come into the journal. */
  #lookOver(timeS: number, lines: SweepLine[]): void {
    const outlook = this.#outlook(timeS, false);
    for (;;) {
      const verdict = this.#state.rungs.verdict(outlook);
      if (verdict === undefined) return;
      this.#decide(verdict, timeS, lines);
    }
  }

  #decide({ rung, contender, decision, reason, parent }: Verdict, timeS: number, lines: SweepLine[]): void {
    const { trial } = contender;
    // The heir first: were the journal torn off between the two, the same heir would come of it again.
    const heir = parent && heirOf(this.#state, parent.trial, rung, contender.number, timeS);
    if (heir !== undefined) this.#write(heir, lines);
    const why = parent === undefined ? reason : `${reason}; ${heirWords(heir, parent)}`;
    this.#write({ kind: "decision", trial, rung, decision, reason: why, time: timeS }, lines);
  }

  #write(line: SweepLine, lines: SweepLine[]): void {
    const refused = this.#state.apply(line);
    if (refused !== undefined) throw new Error(`The sweep's own line is refused: ${refused}`);
    lines.push(line);
  }

  #spent(timeS: number): Spent {
    const { beganS, samples } = this.#state.totals;
    return { timeS, beganS, samples };
  }

  /** With what those under way will have seen at their next rung: whoever begins beside them counts on it. */
  #promised(timeS: number): Spent {
    const spent = this.#spent(timeS);
    for (const { samples } of this.#inHand.values()) spent.samples += samples;
    return spent;
  }

  /** The limit without which more trials would begin. */
  heldBy(timeS: number): Limit | undefined {
    return this.#state.search.heldBy(this.#promised(timeS), this.#state.trials);
  }

  #outlook(timeS: number, isOver: boolean): Outlook {
    return { trials: this.#state.search.most(this.#spent(timeS)), isOver };
  }
}

interface UnderWay {
  segment: Segment;
  /** Training images that it sees until it ends. */
  samples: number;
}

function failedLine(
  { trials, space }: SweepState,
  { trial, attempt, rung }: Segment,
  { code, reason }: SegmentFailure,
  timeS: number,
): FailedLine {
  const failures = (trials.get(trial)?.failures ?? 0) + 1;
  const final = FINAL.includes(code) || failures >= space.spec.trial.attempts;
  return { kind: "failed", trial, attempt, rung, code, reason, final, time: timeS };
}

interface Found {
  record: TrialRecord;
  known: KnownTrial;
}

function resultLine(
  { trial, attempt, rung, last }: Segment,
  outcome: RungOutcome,
  timeS: number,
): ResultLine {
  const { metrics, weights, samples, seconds, images, measuredImages, unreliable } = outcome;
  return {
    kind: "result",
    trial,
    attempt,
    rung,
    last,
    samples,
    metrics: numbersIn(metrics),
    weights,
    seconds,
    images,
    time: timeS,
    ...(measuredImages === undefined ? {} : { measuredImages }),
    ...(unreliable === undefined || unreliable.length === 0 ? {} : { unreliable }),
  };
}

/** What is no finite number cannot be written: it is as if it had not been measured. */
function numbersIn(metrics: MetricValues): MetricValues {
  const isNumber = (entry: [string, number]): boolean => Number.isFinite(entry[1]);
  const entries = Object.entries(metrics);
  return entries.every(isNumber) ? metrics : Object.fromEntries(entries.filter(isNumber));
}
