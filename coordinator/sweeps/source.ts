/**
 * A sweep as a source of runs: each run takes a trial to its next rung. The book says which trial is next and what became of
 * it (book.ts); this hands trials to whoever conducts runs, and what they come to back to the book and into the journal.
 */
import type { Clock } from "../../shared/clock.js";
import type { Config } from "../../shared/config/run.js";
import { ClusterError, wordsOf } from "../../shared/errors.js";
import type { SweepLine } from "../../shared/records/sweep-line.js";
import { trialName } from "../../shared/trial-name.js";
import type { Account } from "../pool/fairness.js";
import type { RunOutcome } from "../runs/context.js";
import type { RunMeter } from "../telemetry/run-meter.js";
import type { RunEngines } from "../runs/engines.js";
import type { RunEnd, RunFailure, RunOrder, RunSource } from "../runs/source.js";
import type { SweepBook } from "./book.js";
import { DiskOrder } from "./disk-order.js";
import type { KeptWeights } from "./kept-weights.js";
import { measuredImagesOf, metricsOf } from "./metrics.js";
import type { Segment, SegmentEnd, SegmentFailure } from "./segment.js";
import { type TrialRung, TrialStorage, type TrialStates } from "./trial-storage.js";
import { type Note, TrialVoice } from "./trial-voice.js";

export interface SweepSourceEdges {
  /** Of the sweep: begins the ids of its runs. */
  name: string;
  /** Of the sweep. */
  directory: string;
  account: Account;
  book: SweepBook;
  states: TrialStates;
  /** A trial may begin with another one's state. */
  areInherited: boolean;
  kept: KeptWeights;
  /** Who computed the sweep's steps: whoever goes on must compute the same bits. */
  engines: Pick<RunEngines, "committed" | "flush">;
  /** What happened, in its order; it need not be safe yet. */
  append: (lines: readonly SweepLine[]) => void;
  /** Resolves when everything appended so far is safe. Throws ClusterError("storage"). */
  flush: () => Promise<void>;
  clock: Clock;
  /** Milliseconds since 1970. */
  wallClock: () => number;
  note: Note;
  /** Counts what a trial's run does. */
  meterOf?: (config: Config) => RunMeter;
  /** A trial may train and measure so long at a rung; for ever when undefined. */
  patienceMs: number | undefined;
  /** A trial has reached a rung, or not, and how long that took. */
  onSegment?: (end: SegmentEnd, seconds: number) => void;
}

/** A trial that ends its worker does so again: one more process tells. */
const MOST_LOSSES = 2;

/** A segment that somebody conducts. */
interface Active {
  segment: Segment;
  storage: TrialStorage;
  voice: TrialVoice;
  sinceMs: number;
  /** Ends it alone. */
  late: AbortController | undefined;
  stopWaiting: () => void;
}

export class SweepSource implements RunSource {
  readonly #edges: SweepSourceEdges;
  /** By run id. */
  readonly #active = new Map<string, Active>();
  readonly #disk: DiskOrder;
  /** Why nothing more begins: what is written cannot be. */
  #fault: ClusterError | undefined;

  constructor(edges: SweepSourceEdges) {
    this.#edges = edges;
    const { append, flush } = edges;
    this.#disk = new DiskOrder({ append, flush, onRefused: (error) => this.stop(error) });
  }

  get fault(): ClusterError | undefined {
    return this.#fault;
  }

  /**
   * Nothing more begins: the disk refuses what it must hold, or something is wrong that would be wrong with every trial. Why is
   * for whoever ends the sweep to say, once.
   */
  stop(error: unknown): void {
    if (this.#fault !== undefined) return;
    this.#fault =
      error instanceof ClusterError
        ? error
        : new ClusterError("unexpected", wordsOf(error), { cause: error });
    this.#edges.note("warning", "The sweep stops: finishing what is being computed");
  }

  /** Training images that trials under way have seen since their last rung. */
  get samplesUnderWay(): number {
    return [...this.#active.values()].reduce((sum, { voice }) => sum + voice.samples, 0);
  }

  /** Trials under way at whose run somebody computes. */
  servedIn(runs: ReadonlySet<string>): Set<string> {
    const active = [...this.#active].filter(([runId]) => runs.has(runId));
    return new Set(active.map(([, { segment }]) => segment.trial));
  }

  // How many are to come only the search knows, and it tells of them itself.
  readonly pending = 0;

  soon(): readonly RunOrder[] {
    return [];
  }

  next(): RunOrder | "wait" | "none" {
    if (this.#fault !== undefined) return "none";
    const { book, wallClock } = this.#edges;
    const taken = book.take(wallClock() / 1000);
    this.#disk.write(taken.lines);
    this.#release(taken.kind === "none" ? "all" : taken.lines);
    return taken.kind === "begin" ? this.#begin(taken.segment) : taken.kind;
  }

  #begin(given: Segment): RunOrder {
    const segment = { ...given, config: asTrial(given.config) };
    const { name, directory, account, states, clock, note, patienceMs } = this.#edges;
    const { trial, number, rung, last, parent } = segment;
    const runId = `${name}-${trial}`;
    const isWanted = (earlier: number): boolean => this.#edges.book.isWanted(trial, earlier);
    const { engines, meterOf } = this.#edges;
    const recordEngines = (): Promise<void> => engines.flush();
    const storage = new TrialStorage({ trial, rung, isLast: last, parent, recordEngines, isWanted }, states);
    const onCommit = engines.committed.bind(engines);
    const voice = new TrialVoice(segment, { storage, meter: meterOf?.(segment.config), note, onCommit });
    const late = patienceMs === undefined ? undefined : new AbortController();
    const stopWaiting =
      patienceMs === undefined ? () => undefined : clock.after(patienceMs, () => late?.abort());
    this.#active.set(runId, { segment, storage, voice, sinceMs: clock.now(), late, stopWaiting });
    return {
      name: trialName(number, trial),
      runId,
      directory: `${directory}/trials/${trial}`,
      config: segment.config,
      evaluateOnly: false,
      isAlone: false,
      storage,
      voice,
      account,
      mostLosses: MOST_LOSSES,
      ...(late === undefined ? {} : { signal: late.signal }),
    };
  }

  beside(): undefined {
    return undefined;
  }

  trained(): void {
    // A trial is of no use before it is measured.
  }

  ended({ runId }: RunOrder, end: RunEnd): void {
    const active = this.#active.get(runId);
    if (active === undefined) return;
    this.#active.delete(runId);
    active.stopWaiting();
    const { segment } = active;
    const { book, clock, wallClock, onSegment } = this.#edges;
    const seconds = (clock.now() - active.sinceMs) / 1000;
    const concluded = this.#concluded(active, end, seconds);
    if (concluded === undefined) {
      book.returned(segment);
      return;
    }
    this.#record(active, book.ended(segment, concluded, wallClock() / 1000));
    onSegment?.(concluded, seconds);
  }

  /** Undefined: it was interrupted, and begins again where it was. */
  #concluded(active: Active, end: RunEnd, seconds: number): SegmentEnd | undefined {
    if ("failure" in end) return this.#failed(end.failure);
    const { outcome } = end;
    if (outcome.result !== undefined) return { outcome: this.#rung(active, outcome, seconds) };
    if (active.late?.signal.aborted !== true) return undefined;
    const reason = `it took longer than ${(this.#edges.patienceMs ?? 0) / 60_000} minutes to train and measure up to its next rung (trial.minutes)`;
    return { failure: { code: "timeout", reason } };
  }

  /** What is wrong with the place is no trial's fault, and would be every trial's. */
  #failed(failure: RunFailure): { failure: SegmentFailure } | undefined {
    const { code, message: reason } = failure;
    if (code !== "storage") return { failure: { code, reason } };
    this.stop(new ClusterError(code, reason));
    return undefined;
  }

  #rung(
    { voice, segment }: Active,
    { result, weightsSha256 }: RunOutcome,
    seconds: number,
  ): Extract<SegmentEnd, { outcome: unknown }>["outcome"] {
    if (result === undefined) throw new ClusterError("unexpected", `Trial ${segment.trial} has no result`);
    const { unreliable = [] } = result;
    const measuredImages = measuredImagesOf(result);
    return {
      metrics: metricsOf(result, voice.loss),
      weights: weightsSha256,
      samples: voice.samplesInAll,
      seconds,
      images: result.n,
      ...(measuredImages === undefined ? {} : { measuredImages }),
      ...(unreliable.length === 0 ? {} : { unreliable }),
    };
  }

  // ---- What stays on the disk ---------------------------------------------------------------------------------

  /** Resolves when the disk has what the trials that ended so far leave behind. */
  settled(): Promise<void> {
    return this.#disk.settled();
  }

  /** The line that says a trial is done stands on its weights, where they are to be kept. */
  #record({ segment, storage }: Active, lines: readonly SweepLine[]): void {
    const { states, kept } = this.#edges;
    const { trial, last } = segment;
    const { newest } = storage;
    const isDone = last && newest !== undefined && lines.some(({ kind }) => kind === "result");
    const { isKept, dropped } = isDone ? kept.offer(trial) : { isKept: false, dropped: [] };
    this.#disk.write(
      lines,
      isDone && isKept ? () => states.keepWeights(trial, newest.checkpoint, newest.layout) : undefined,
    );
    this.#release(lines);
    for (const other of dropped) this.#disk.remove(() => states.dropWeights(other));
  }

  /** States with which no segment can begin any more, of trials that were decided on; one may be another one's heir. */
  #release(lines: readonly SweepLine[] | "all"): void {
    const { book, states, areInherited } = this.#edges;
    const isDecision = ({ kind }: SweepLine): boolean => ["decision", "result", "failed"].includes(kind);
    const concerned = lines === "all" ? [] : lines.filter(isDecision);
    if (lines !== "all" && concerned.length === 0) return;
    const trials = new Set(concerned.flatMap((line) => ("trial" in line ? [line.trial] : [])));
    const stored =
      lines === "all" || areInherited ? states.stored() : [...trials].flatMap((of) => states.stored(of));
    for (const place of stored) if (!isWanted(book, place)) this.#disk.remove(() => this.#drop(place));
  }

  /** Since it was looked at, its trial may have begun again. */
  async #drop(place: TrialRung): Promise<void> {
    const { book, states } = this.#edges;
    if (!isWanted(book, place)) await states.remove(place);
  }
}

const isWanted = (book: SweepBook, { trial, rung }: TrialRung): boolean => book.isWanted(trial, rung);

/** A rung is where a trial is measured; what a run measures on its way would cost, and be read by nobody. */
function asTrial(config: Config): Config {
  return { ...config, train: { ...config.train, evaluate_every_epochs: 0 } };
}
