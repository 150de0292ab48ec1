/** A sweep, from the first worker to its results; it goes on where its journal left off. */
import type { Constraint } from "../../shared/config/objectives.js";
import type { SweepLine, TrialRow } from "../../shared/records/sweep-line.js";
import type { SweepSpec } from "../../shared/config/sweep.js";
import type { PoolView } from "../../shared/pool-view.js";
import type { SweepState } from "../../shared/sweep-progress.js";
import type { RunEngines } from "../runs/engines.js";
import type { RunFailure } from "../runs/source.js";
import { type RunsContext, conductRuns } from "../runs/runs.js";
import { type Recruits, waitForWorkers } from "../runs/workers.js";
import type { SweepBook } from "./book.js";
import type { SweepTelemetry } from "../telemetry/sweep-telemetry.js";
import { KeptWeights, lossIn, missingWords } from "./kept-weights.js";
import { type PoolSize, lanesOf } from "./lanes.js";
import { unmetOf } from "./ranking.js";
import { limitWords } from "./limit-words.js";
import { SweepSource } from "./source.js";
import type { Space } from "./space.js";
import { SweepTelling } from "./telling.js";
import type { TrialStates } from "./trial-storage.js";

const TELL_EVERY_MS = 500;

export interface SweepOptions {
  space: Space;
  directory: string;
  /** Workers to wait for, and for how long. */
  minWorkers: number;
  patienceMs: number;
}

/** What a sweep keeps: its journal, and states of its trials. */
export interface SweepDisk {
  /** As the journal tells it. */
  readonly book: SweepBook;
  /** Not safe yet. */
  append(lines: readonly SweepLine[]): void;
  /** Resolves when all of it is safe. Throws ClusterError("storage"). */
  flush(): Promise<void>;
  /** Aborts, with a ClusterError("storage"), when lines cannot be written. */
  readonly refused: AbortSignal;
  readonly states: TrialStates;
  /** engines.json of the sweep. */
  readonly engines: Pick<RunEngines, "committed" | "flush">;
}

export interface SweepContext extends Omit<RunsContext, "source" | "lanes" | "report"> {
  recruits: Recruits & PoolSize & { view(): PoolView };
  disk: SweepDisk;
  /** Writes what the sweep came to. */
  writeResults: () => Promise<void>;
}

export interface SweepEnd {
  /** By trial, why those that failed did. */
  failed: Record<string, RunFailure>;
  interrupted: boolean;
}

/** Throws ClusterError: "dependency" (no worker came), "storage"; what the journal holds stays. */
export async function conductSweep(options: SweepOptions, context: SweepContext): Promise<SweepEnd> {
  const { space, minWorkers, patienceMs } = options;
  const { edges, events, disk, recruits } = context;
  const { clock, wallClock, signal } = edges;
  const { book } = disk;
  events.phase("waiting", `for ${minWorkers} worker(s)`);
  await waitForWorkers(recruits, minWorkers, patienceMs, { clock, signal });
  const nowS = (): number => wallClock() / 1000;
  const { objectives, constraints } = space;
  const told = { name: space.spec.name, title: titleOf(space.spec), objectives, noteOf: noteOf(constraints) };
  const telling = new SweepTelling(told, book, nowS());
  const append = (lines: readonly SweepLine[]): void => {
    disk.append(lines);
    telling.heard(lines);
  };
  append(book.open(nowS()));
  const shown = context.telemetry.sweep(space.spec.name);
  const source = sourceOf(options, context, { book, append, shown });
  const refuse = (): void => source.stop(disk.refused.reason);
  if (disk.refused.aborted) refuse();
  disk.refused.addEventListener("abort", refuse);
  const tell = (state?: SweepState): void => {
    const served = source.servedIn(runsHeld(recruits.view()));
    const progress = telling.progress(nowS(), { samples: source.samplesUnderWay, served }, state);
    events.sweep(progress);
    shown.progress(progress);
  };
  events.phase("sweeping", told.title);
  const stopTelling = clock.every(TELL_EVERY_MS, () => tell());
  try {
    // A trial has no page of its own.
    await conductRuns({ ...context, source, lanes: lanesOf(recruits), report: undefined });
  } finally {
    stopTelling();
    disk.refused.removeEventListener("abort", refuse);
    await source.settled();
    tell(source.fault === undefined && !signal.aborted ? "done" : "interrupted");
    shown.ended();
  }
  await disk.flush();
  if (source.fault !== undefined) throw source.fault;
  const held = signal.aborted ? undefined : limitWords(book.heldBy(nowS()), space);
  if (held !== undefined) events.note("info", held);
  await context.writeResults();
  return { failed: failedOf(book), interrupted: signal.aborted };
}

/** What else is to be said of a trial in few words: what it must reach and does not, and that it must not be believed. */
export function noteOf(constraints: readonly Constraint[]): (row: TrialRow) => string {
  return ({ metrics, unreliable = [] }) =>
    [
      ...unmetOf(metrics, constraints).map((text) => `misses ${text}`),
      ...(unreliable.length > 0 ? ["unreliable"] : []),
    ].join("; ");
}

function runsHeld({ workers }: PoolView): Set<string> {
  return new Set(workers.flatMap(({ holds }) => holds?.runId ?? []));
}

function titleOf({ title, name }: SweepSpec): string {
  return title ?? name;
}

function sourceOf(
  { space, directory }: SweepOptions,
  { edges, events, disk }: SweepContext,
  {
    book,
    append,
    shown,
  }: { book: SweepBook; append: (lines: readonly SweepLine[]) => void; shown: SweepTelemetry },
): SweepSource {
  const { name, share, priority, trial } = space.spec;
  const kept = keptBefore(space, disk, (message) => events.note("warning", message));
  return new SweepSource({
    ...{ name, directory, book, append, kept },
    flush: () => disk.flush(),
    account: { name: `sweep ${name}`, share, priority, isSteady: true },
    states: disk.states,
    engines: disk.engines,
    areInherited: space.spec.stopping?.method === "population",
    clock: edges.clock,
    wallClock: edges.wallClock,
    note: (level, message) => events.note(level, message),
    patienceMs: trial.minutes === undefined ? undefined : 60_000 * trial.minutes,
    meterOf: (config) => shown.runOf(config),
    onSegment: (end, seconds) => {
      if ("failure" in end) shown.failed(end.failure.code);
      else shown.measured(seconds);
    },
  });
}

/** Of the trials that are done, those whose weights are there: what a process before this one could not keep is told. */
function keptBefore(
  space: Space,
  { book, states }: Pick<SweepDisk, "book" | "states">,
  warn: (message: string) => void,
): KeptWeights {
  const { keep_weights: most } = space.spec;
  const done = book.rows().filter(({ state }) => state === "done");
  const kept = new KeptWeights(most, lossIn(book, space));
  const { dropped, missing } = kept.startWith(
    done.map(({ trial }) => trial),
    new Set(states.keptWeights()),
  );
  for (const trial of dropped) void states.dropWeights(trial);
  if (missing.length > 0) warn(missingWords(missing));
  return kept;
}

function failedOf(book: SweepBook): Record<string, RunFailure> {
  const failed = book.rows().filter(({ state }) => state === "failed");
  return Object.fromEntries(
    failed.map(({ trial, reason = "no reason" }) => [
      trial,
      { code: "unexpected" as const, message: reason, exit_code: 1 },
    ]),
  );
}
