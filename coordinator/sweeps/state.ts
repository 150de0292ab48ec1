/** What the lines of a journal come to. A line that does not fit what is known by then is refused, and changes nothing. */
import { at } from "../../shared/core/at.js";
import {
  type DecisionLine,
  type FailedLine,
  type OpenedLine,
  type ResultLine,
  SWEEP_JOURNAL_VERSION,
  type SweepLine,
  type TrialLine,
  type TrialState,
} from "../../shared/records/sweep-line.js";
import { outsideOf, rungsHash, searchHash, specHash } from "./belonging.js";
import { comparisonOf, prunerOf } from "./pruners/registry.js";
import { Ranked } from "./ranked.js";
import { type Standing, compareStandings, standingOf } from "./ranking.js";
import { MeasuredRungs } from "./measured-rungs.js";
import { lossOf } from "../../shared/config/objectives.js";
import { Search } from "./search.js";
import type { Space } from "./space-shape.js";
import { type TrialRecord, nextRung, recordOf, resultOf, seenByParent } from "./trial-record.js";

export class SweepState {
  readonly space: Space;
  readonly code: string;
  /** As an opened line has them. */
  readonly hashes: { spec: string; search: string; rungs: string };
  readonly search: Search;
  readonly rungs: MeasuredRungs;
  readonly totals = new Totals();
  /** By id, in the order of their numbers. */
  readonly trials = new Map<string, TrialRecord>();
  /** Running ones that nobody has in hand: farther ones first. */
  readonly ready = new Ranked<TrialRecord>((a, b) => nextRung(b) - nextRung(a) || a.number - b.number);
  /** All with a result that have not failed, best first. */
  readonly standings = new Ranked<TrialRecord & { standing: Standing }>((a, b) =>
    compareStandings(a.standing, b.standing),
  );
  /** Was the part of the journal that is being read written for the same search, by the same code? */
  #isSameSearch = false;
  /** … and at the same rungs? */
  #areSameRungs = false;

  constructor(space: Space, code: string) {
    this.space = space;
    this.code = code;
    this.hashes = { spec: specHash(space), search: searchHash(space), rungs: rungsHash(space) };
    this.search = new Search(space, code);
    this.rungs = new MeasuredRungs(comparisonOf(space), prunerOf(space));
  }

  /** Why the line is refused, in words; undefined where it counts. */
  apply(line: SweepLine): string | undefined {
    switch (line.kind) {
      case "opened":
        return this.#opened(line);
      case "trial":
        return this.#created(line);
      case "result":
        return this.#measured(line);
      case "decision":
        return this.#decided(line);
      case "failed":
        return this.#failed(line);
      case "retry":
        return this.#retried(line.trial);
      case "cancelled":
      case "resumed":
        this.totals.isCancelled = line.kind === "cancelled";
        return undefined;
    }
  }

  #opened({ version, search, rungs, code, time }: OpenedLine): string | undefined {
    const found: number = version;
    if (found !== SWEEP_JOURNAL_VERSION) return `its version is ${found}, expected ${SWEEP_JOURNAL_VERSION}`;
    this.totals.beganS ??= time;
    this.#isSameSearch = search === this.hashes.search && code === this.code;
    this.#areSameRungs = rungs === this.hashes.rungs;
    return undefined;
  }

  #created(line: TrialLine): string | undefined {
    const there = this.trials.get(line.trial);
    if (there !== undefined && there.outside === undefined) return `trial ${line.trial} is there already`;
    const record = recordOf(line, this.#outsideOf(line), this.#isSameSearch);
    // One of an earlier spec gives way.
    this.trials.delete(record.id);
    this.trials.set(record.id, record);
    this.totals.numbers = Math.max(this.totals.numbers, record.number + 1);
    if (record.outside !== undefined) return undefined;
    this.totals.counts.running++;
    this.totals.inherits(record, 1);
    if (line.parent !== undefined) this.totals.heirs++;
    this.search.add(record.tried, line.draw !== undefined);
    this.ready.add(record);
    return undefined;
  }

  #outsideOf(line: TrialLine): string | undefined {
    if (line.parent !== undefined && !this.#areSameRungs) return "the rung that it began behind is no more";
    return this.#isSameSearch ? undefined : outsideOf(this.space, this.code, line);
  }

  #measured(line: ResultLine): string | undefined {
    // Who had not come to its last rung goes through the present ones.
    if (!this.#areSameRungs && !line.last)
      return this.trials.has(line.trial) ? undefined : unknown(line.trial);
    const record = this.trials.get(line.trial);
    const refused = this.#refusal(record, line, "running", line.rung);
    if (record === undefined || refused !== undefined) return refused;
    this.ready.remove(record);
    const { results, tried } = record;
    if (record.outside === undefined) {
      if (results.length === 0) this.totals.inherits(record, -1);
      this.totals.saw(line, results.at(-1), this.seenBy(record));
    }
    const result = resultOf(line);
    record.results = results.concat(result);
    this.#turn(record, line.last ? "done" : "waiting");
    record.reason = undefined;
    const [objective] = this.space.objectives;
    const loss = objective === undefined ? Infinity : lossOf(objective, line.metrics[objective.metric]);
    if (tried !== undefined) {
      tried.rung = line.rung;
      tried.loss = Number.isFinite(loss) ? loss : undefined;
    }
    if (record.outside !== undefined) return undefined;
    this.#place(record);
    if (!line.last) this.rungs.enter(record, result);
    return undefined;
  }

  /** Training images until its newest result; before its first, those of the state that it begins with. */
  seenBy({ parent, results }: TrialRecord): number {
    const newest = results.at(-1);
    if (newest !== undefined || parent === undefined) return newest?.samples ?? 0;
    return seenByParent({ parent }, this.trials);
  }

  /** By its newest result; one that has failed stands nowhere. */
  #place(record: TrialRecord): void {
    if (isPlaced(record)) this.standings.remove(record);
    const newest = record.results.at(-1);
    record.standing =
      newest === undefined || record.state === "failed"
        ? undefined
        : standingOf({ ...newest, number: record.number, isDone: newest.last }, this.space);
    if (isPlaced(record)) this.standings.add(record);
  }

  #decided(line: DecisionLine): string | undefined {
    if (!this.#areSameRungs) return undefined;
    const { trial, rung, decision, reason } = line;
    const record = this.trials.get(trial);
    const refused = this.#refusal(record, line, "waiting", rung + 1);
    if (record === undefined || refused !== undefined) return refused;
    if (record.outside === undefined) this.rungs.decided(record, decision);
    this.#turn(record, decision === "go on" ? "running" : "stopped");
    record.reason = decision === "go on" ? undefined : reason;
    return undefined;
  }

  #failed(line: FailedLine): string | undefined {
    const { trial, rung, reason, final } = line;
    const record = this.trials.get(trial);
    const refused = this.#refusal(record, line, "running", rung);
    if (record === undefined || refused !== undefined) return refused;
    record.reason = reason;
    record.failures++;
    this.ready.remove(record);
    if (!final) {
      record.attempt++;
      this.#turn(record, "running");
      return undefined;
    }
    this.#turn(record, "failed");
    if (record.outside !== undefined) return undefined;
    if (record.results.length === 0) this.totals.inherits(record, -1);
    this.rungs.leave(record);
    this.#place(record);
    return undefined;
  }

  #retried(trial: string): string | undefined {
    const record = this.trials.get(trial);
    if (record?.state !== "failed")
      return record === undefined ? unknown(trial) : `trial ${trial} is ${record.state}, not failed`;
    record.attempt++;
    record.failures = 0;
    record.reason = undefined;
    if (record.outside === undefined) {
      this.rungs.comeBack(record);
      if (record.results.length === 0) this.totals.inherits(record, 1);
    }
    this.#turn(record, "running");
    if (record.outside === undefined) this.#place(record);
    return undefined;
  }

  /** Compare and set: a line counts only for the state, the rung and the attempt that the trial is at. */
  #refusal(
    record: TrialRecord | undefined,
    { trial, attempt }: { trial: string; attempt?: number },
    state: TrialState,
    rung: number,
  ): string | undefined {
    if (record === undefined) return unknown(trial);
    if (record.state !== state) return `trial ${trial} is ${record.state}, not ${state}`;
    if (this.#areSameRungs && nextRung(record) !== rung)
      return `trial ${trial} is before rung ${nextRung(record)}, not ${rung}`;
    if (attempt !== undefined && attempt !== record.attempt)
      return `trial ${trial} is at attempt ${record.attempt}, not ${attempt}`;
    return undefined;
  }

  #turn(record: TrialRecord, state: TrialState): void {
    const { outside, tried } = record;
    if (outside === undefined) {
      this.totals.counts[record.state]--;
      this.totals.counts[state]++;
    }
    record.state = state;
    if (tried !== undefined) tried.state = state;
    if (state === "running" && outside === undefined) this.ready.add(record);
  }
}

function isPlaced(record: TrialRecord): record is TrialRecord & { standing: Standing } {
  return record.standing !== undefined;
}

const unknown = (trial: string): string => `there is no trial ${trial}`;

/** Sums over the trials that the present spec makes. */
class Totals {
  readonly counts: Record<TrialState, number> = { running: 0, waiting: 0, done: 0, stopped: 0, failed: 0 };
  /** By rung: trials whose newest result is from there. */
  readonly rungs: { samples: number; count: number }[] = [];
  /** Of the next trial. */
  numbers = 0;
  samples = 0;
  /** Trials that took another one's place. */
  heirs = 0;
  /** Seconds since 1970. */
  beganS: number | undefined;
  isCancelled = false;
  /** By trial and rung: trials without a result that begin with its state there. */
  readonly #heirs = new Map<string, number>();

  saw({ rung, samples, last }: ResultLine, before: { rung: number } | undefined, seen: number): void {
    this.samples += samples - seen;
    const left = before === undefined ? undefined : this.rungs[before.rung];
    if (left !== undefined) left.count--;
    while (this.rungs.length <= rung) this.rungs.push({ samples: 0, count: 0 });
    const reached = at(this.rungs, rung);
    reached.count++;
    // A short trial may end before it.
    if (!last || reached.samples === 0) reached.samples = samples;
  }

  inherits({ parent }: TrialRecord, change: 1 | -1): void {
    if (parent === undefined) return;
    const key = placeKey(parent.trial, parent.rung);
    this.#heirs.set(key, (this.#heirs.get(key) ?? 0) + change);
  }

  hasHeirs(trial: string, rung: number): boolean {
    return (this.#heirs.get(placeKey(trial, rung)) ?? 0) > 0;
  }
}

const placeKey = (trial: string, rung: number): string => `${trial} ${rung}`;
