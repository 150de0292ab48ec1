/** `saf sweep run --dry-run`: how many trials, rungs, images, hours and bytes a sweep takes from here on; nothing is started. */
import { availableParallelism } from "node:os";
import { SweepBook } from "../../coordinator/sweeps/book.js";
import { countOf } from "../../coordinator/sweeps/space.js";
import type { PoolConfig } from "../../shared/config/pool.js";
import type { TrialRow } from "../../shared/records/sweep-line.js";
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
    trials: { planned: countOf(space) ?? null, there: there.length, to_begin: forecast.trials },
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
  trials: { planned: number | null; there: number; to_begin: number };
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
  const there = trials.there === 0 ? "" : `, ${thousands(trials.there)} of them are there`;
  const about =
    seconds === null ? "unknown: nothing like it was trained here before" : timeText(plan, seconds);
  return [
    `sweep    ${plan.name}: ${plan.search} search, ${planned}${there}`,
    `wanted   ${plan.wanted}`,
    ...(rungs.length > 1 ? ["rungs    " + rungs.map(rungText).join(", ")] : []),
    `images   ${least}${thousands(plan.samples)} to be trained on, in ${trialCount(trials.to_begin).replace("trial", "new trial")}`,
    ...(plan.synthetic_samples === 0
      ? []
      : [`         ${thousands(plan.synthetic_samples)} of them synthetic: what flag M adds to each epoch`]),
    `time     ${seconds === null ? "" : least}${about}`,
    `disk     ${least}${bytes(plan.bytes)}`,
    `folder   ${shown(plan.directory)}`,
    ...refusalLines(plan),
  ];
}

/** As `run` says it. */
function refusalLines({ refused }: Plan): string[] {
  if (refused === null) return [];
  const [first = "", ...more] = [...refused.message.split("\n"), ...refused.hint.split("\n")];
  return [`refused  ${first}`, ...more.map((line) => `         ${line}`)];
}

function rungText({ samples, trials }: Forecast["rungs"][number], i: number): string {
  return `${thousands(samples)}${i === 0 ? " images" : ""}: ${trialCount(trials)}`;
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
  const samples = rows.reduce((sum, row) => sum + row.samples, 0);
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
