/** `saf sweep run --dry-run`: how many trials, rungs, images, hours and bytes a sweep takes from here on; nothing is started. */
import { availableParallelism } from "node:os";
import { SweepBook } from "../../coordinator/sweeps/book.js";
import { type Space, countOf } from "../../coordinator/sweeps/space.js";
import type { PoolConfig } from "../../shared/config/pool.js";
import { type TrialRow, ownSamples } from "../../shared/records/sweep-line.js";
import { localWorkers } from "../local/cluster.js";
import { bytes } from "./drawing.js";
import { formerSpeeds, speedKey } from "./former-speeds.js";
import { printResult, shown } from "./output.js";
import { duration } from "./progress-state.js";
import type { SweepOnDisk } from "../../coordinator/io/sweep-directory.js";
import type { ClusterError } from "../../shared/errors.js";
import { objectiveWords } from "./sweep-words.js";
import type { LoadedSweep } from "./sweep-file.js";
import { type Forecast, type Pace, forecastOf } from "./sweep-forecast.js";
import { thousands } from "./sweep-progress-view.js";

/** Somebody waits for the answer. */
const PATIENCE_MS = 5000;
const BYTES_A_NUMBER = 4;
/** A line of the journal, and its share of the results. */
const BYTES_A_RUNG = 1500;

export interface PlanOrder extends LoadedSweep {
  out: string;
  /** What is there already, under this spec. */
  before: SweepOnDisk | undefined;
  /** Why `run` would not go on with it. */
  objection: ClusterError | undefined;
  pool: PoolConfig;
  runs: string;
  json: boolean;
}

export async function printPlan(order: PlanOrder): Promise<void> {
  const { spec, space, out, objection, json } = order;
  const before = order.before?.book;
  const there = before?.rows() ?? [];
  const workers = localWorkers(order.pool.workers, availableParallelism());
  const known = paceOfTrials(there) ?? (await paceOfRuns(order.runs, workers));
  const end = Date.now() + PATIENCE_MS;
  const forecast = forecastOf(before ?? new SweepBook(space, ""), space, "", {
    ...{ pace: known.pace, workers, nowS: Date.now() / 1000, mayGoOn: () => Date.now() < end },
  });
  const document: Plan = {
    name: spec.name,
    directory: out,
    search: space.method,
    wanted: objectiveWords(space, order.isObjectiveGiven),
    trials: {
      planned: countOf(space) ?? null,
      there: there.length,
      to_begin: forecast.trials,
      in_place: forecast.heirs,
      held_by: limitIn(space, there, forecast),
      same_as_others: sameIn(space, there, forecast),
    },
    rungs: forecast.rungs,
    samples: forecast.samples,
    synthetic_samples: forecast.synthetic,
    seconds: forecast.workerSeconds === undefined ? null : forecast.workerSeconds / workers,
    seconds_from: forecast.workerSeconds === undefined ? null : known.from,
    workers,
    bytes: bytesOf(forecast, spec.keep_weights),
    is_whole: forecast.isWhole,
    refused: objection === undefined ? null : { message: objection.message, hint: objection.hint ?? "" },
  };
  printResult(json ? document : planLines(document).join("\n"));
}

export interface Plan {
  name: string;
  directory: string;
  search: string;
  /** In words. */
  wanted: string;
  trials: {
    planned: number | null;
    there: number;
    /** With those that take another one's place in a population: `in_place`. */
    to_begin: number;
    in_place: number;
    /** The setting because of which no more begin, though the search has more. */
    held_by: string | null;
    /** So many that the spec names set what others do, and are trained once. */
    same_as_others: number;
  };
  rungs: Forecast["rungs"];
  samples: number;
  /** Of these, made by flag M. */
  synthetic_samples: number;
  seconds: number | null;
  seconds_from: string | null;
  workers: number;
  bytes: number;
  is_whole: boolean;
  /** Why `saf sweep run` would not do it, and what it asks for. */
  refused: { message: string; hint: string } | null;
}

/** Pure, for people. */
export function planLines(plan: Plan): string[] {
  const { trials, rungs, seconds } = plan;
  const least = plan.is_whole ? "" : "at least ";
  const planned = trials.planned === null ? "no end by itself" : trialCount(trials.planned);
  const about =
    seconds === null ? "unknown: nothing like it was trained here before" : timeText(plan, seconds);
  return [
    `sweep    ${plan.name}: ${plan.search} search, ${planned}${thereText(trials)}`,
    ...(trials.same_as_others === 0
      ? []
      : [`         ${thousands(trials.same_as_others)} of them set the same as others: trained once`]),
    ...(trials.held_by === null ? [] : [`         no more begin: ${trials.held_by} holds them`]),
    `wanted   ${plan.wanted}`,
    ...(rungs.length > 1 ? ["rungs    " + rungs.map((rung, i) => rungText(rung, i, rungs)).join(", ")] : []),
    `images   ${least}${thousands(plan.samples)} to be trained on, in ${newText(trials)}`,
    ...(plan.synthetic_samples === 0
      ? []
      : [`         ${thousands(plan.synthetic_samples)} of them synthetic: what flag M adds to each epoch`]),
    `time     ${seconds === null ? "" : least}${about}`,
    `disk     ${least}${bytes(plan.bytes)}`,
    `folder   ${shown(plan.directory)}`,
    ...refusalLines(plan),
  ];
}

function thereText({ planned, there, in_place: heirs }: Plan["trials"]): string {
  const takeOver = heirs === 0 ? "" : ", and whoever takes another one's place";
  if (there === 0) return takeOver;
  const isMore = planned !== null && there > planned;
  return `${takeOver}${isMore ? `; ${thousands(there)} are there already` : `, ${thousands(there)} of them are there`}`;
}

function newText({ to_begin: count, in_place: heirs }: Plan["trials"]): string {
  const taken = heirs === 0 ? "" : `, ${thousands(heirs)} of them in another one's place`;
  return `${trialCount(count).replace("trial", "new trial")}${taken}`;
}

/** Where the search would have more than `limits.trials` lets it begin, and nothing new comes: an extended file may ask why. */
function limitIn(space: Space, there: readonly TrialRow[], { trials }: Forecast): string | null {
  const { trials: limit, ...others } = space.spec.limits;
  const all = countOf({ ...space, spec: { ...space.spec, limits: others } });
  const isHeld = limit !== undefined && trials === 0 && there.length > 0 && (all ?? Infinity) > limit;
  return isHeld ? `limits.trials: ${limit}` : null;
}

/** Of a search that names its trials, those that came to nothing new. */
function sameIn(space: Space, there: readonly TrialRow[], { trials, heirs, isWhole }: Forecast): number {
  const { hours, samples } = space.spec.limits;
  const planned = countOf(space);
  const isNamed = space.method === "list" || space.method === "grid";
  if (!isNamed || !isWhole || planned === undefined || hours !== undefined || samples !== undefined) return 0;
  const drawn = there.filter(({ parent }) => parent === undefined).length + trials - heirs;
  return Math.max(0, planned - drawn);
}

/** As `run` says it. */
function refusalLines({ refused }: Plan): string[] {
  if (refused === null) return [];
  const [first = "", ...more] = [...refused.message.split("\n"), ...refused.hint.split("\n")];
  return [`refused  ${first}`, ...more.map((line) => `         ${line}`)];
}

function rungText(
  { samples, trials, done }: Forecast["rungs"][number],
  i: number,
  { length }: Plan["rungs"],
): string {
  const end = done > 0 && i < length - 1 ? ` (${thousands(done)} end there)` : "";
  return `${thousands(samples)}${i === 0 ? " images" : ""}: ${trialCount(trials)}${end}`;
}

function trialCount(count: number): string {
  return `${thousands(count)} trial${count === 1 ? "" : "s"}`;
}

function timeText({ workers, seconds_from: from }: Plan, seconds: number): string {
  return `about ${duration(seconds)} with ${workers} worker${workers === 1 ? "" : "s"}, ${from ?? ""}`;
}

interface KnownPace {
  pace: Pace;
  /** What it is known from, in words. */
  from: string;
}

/** As fast as the trials of the sweep were. */
function paceOfTrials(rows: readonly TrialRow[]): KnownPace | undefined {
  const samples = rows.reduce((sum, row) => sum + ownSamples(row), 0);
  const seconds = rows.reduce((sum, row) => sum + row.seconds, 0);
  if (samples === 0 || seconds === 0) return undefined;
  return { pace: (_, count) => (count * seconds) / samples, from: "as fast as its trials until now" };
}

/** As fast as the same networks were trained before; of others nothing is known. */
async function paceOfRuns(runs: string, workers: number): Promise<KnownPace> {
  const speeds = await formerSpeeds(runs);
  const pace: Pace = (config, count) => {
    const own = speeds.get(speedKey(config));
    return own === undefined ? undefined : (count * workers) / own.samplesPerSecond;
  };
  return { pace, from: `as fast as former runs in ${shown(runs)}; measuring comes on top` };
}

function bytesOf({ trials, rungs, mostWaiting, largestNetwork }: Forecast, keep: number | "all"): number {
  const kept = keep === "all" ? trials : Math.min(keep, trials);
  const measured = rungs.reduce((sum, rung) => sum + rung.trials, 0);
  // A paused trial has its momentum too.
  return (kept + 2 * mostWaiting) * largestNetwork * BYTES_A_NUMBER + measured * BYTES_A_RUNG;
}
