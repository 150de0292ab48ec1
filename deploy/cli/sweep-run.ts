/**
 * What `saf sweep run`, `resume` and `retry` do. Exit codes: 0, all trials are over and none has failed; 6, some or all have;
 * 130, 143 or 129, a signal came; else the error's own.
 */
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type DataSetting, checkAside } from "../../coordinator/io/datasets/load-aside.js";
import { realDirectory } from "../../coordinator/io/run-directory.js";
import { refuseOtherWork } from "../../coordinator/io/run-place.js";
import {
  SWEEP_FILE,
  SWEEP_JOURNAL_FILE,
  type SweepOnDisk,
  newlyOutside,
  readSweep,
} from "../../coordinator/io/sweep-directory.js";
import { specHash } from "../../coordinator/sweeps/belonging.js";
import { limitWords } from "../../coordinator/sweeps/limit-words.js";
import { RESULTS_CODE } from "../../coordinator/sweeps/results-code.js";
import type { Space } from "../../coordinator/sweeps/space.js";
import type { PoolConfig } from "../../shared/config/pool.js";
import { EMULATED } from "../../shared/engine.js";
import { ClusterError, EXIT_CODES } from "../../shared/errors.js";
import { storageError, writeFileAtomic } from "../../shared/io/atomic-file.js";
import { makeFolder } from "../../shared/io/folders.js";
import { RESULTS_FILE, writeSweepResults } from "../../coordinator/results/sweep/write.js";
import { resultsOf } from "../../coordinator/sweeps/results-of.js";
import { engineInEnvironment } from "../setup/engine.js";
import { chosenEngine } from "./chosen-engine.js";
import { type WorkEnd, checkPlace, workLocally } from "./local-work.js";
import { shown } from "./output.js";
import { loadPool, ofRun } from "./pool-options.js";
import type { RunOptions } from "./run-options.js";
import { type ChangeFlags, retry, takeBackCancel } from "./sweep-changes.js";
import { type LoadedSweep, loadSweep, sweepText } from "./sweep-file.js";
import { isSweepFolder, sweepFolder, sweepNamed } from "./sweep-place.js";
import { emptySweep, noteMissingWeights, printSweep, readNoting } from "./sweep-output.js";
import { terminalOf, wrapped } from "./terminal.js";
import { objectiveWords } from "./sweep-words.js";

/** Of why trials do not belong, so many are said. */
const MOST_REASONS = 5;
const NO_LONGER_EMULATED = `engine not set, was ${JSON.stringify(EMULATED)}`;
/** Of the leaderboard at the end; `saf sweep results --top` shows more. */
const PLACES = 10;

export interface SweepRunOptions extends RunOptions {
  set: string[];
  /** Which one is gone on with. */
  sweep?: string;
  out?: string;
  dryRun?: boolean;
  force?: boolean;
}

/** Throws ClusterError: "config" and "usage" before anything is started, the coordinator's own when it fails. */
export async function runSweep(file: string, options: SweepRunOptions): Promise<void> {
  const sweep = await loadWith(file, options);
  const out = await realDirectory(options.out ?? join(options.runs, sweep.spec.name));
  const command = `npx saf sweep run ${shown(resolve(file))}`;
  await goOn(sweep, out, { ...options, command });
}

export async function resumeSweep(folder: string | undefined, options: SweepRunOptions): Promise<void> {
  const out = await sweepFolder(sweepNamed(folder, options), options.runs);
  const sweep = await loadWith(join(out, SWEEP_FILE), options);
  if (options.dryRun !== true) await takeBackCancel(out);
  await goOn(sweep, out, { ...options, command: resumeCommand(out) });
}

export async function retryTrials(
  folder: string | undefined,
  options: SweepRunOptions & ChangeFlags,
): Promise<void> {
  const out = await sweepFolder(sweepNamed(folder, options), options.runs);
  const sweep = await loadWith(join(out, SWEEP_FILE), options);
  // What stands in the way of going on is said before the journal is changed.
  await sweepBefore(out, sweep.space, options);
  const trials = await retry(out, options);
  process.stderr.write(`${trials} trial${trials === 1 ? "" : "s"} may try again\n`);
  await goOn(sweep, out, { ...options, command: resumeCommand(out) });
}

function resumeCommand(out: string): string {
  return `npx saf sweep resume ${shown(out)}`;
}

/** An engine that the command says is a setting of all trials. */
async function loadWith(file: string, options: SweepRunOptions): Promise<LoadedSweep> {
  const isEmulated = saidEngine(options) === EMULATED;
  return loadSweep(file, [...ofRun(options.set), ...(isEmulated ? [`base.engine=${EMULATED}`] : [])]);
}

const saidEngine = ({ engine }: RunOptions): RunOptions["engine"] =>
  engine ?? engineInEnvironment(process.env);

async function goOn(
  sweep: LoadedSweep,
  out: string,
  options: SweepRunOptions & { command: string },
): Promise<void> {
  const { space } = sweep;
  const { value: pool } = await loadPool(options);
  const json = options.json === true;
  if (options.dryRun === true) return plan(sweep, out, { ...options, pool });
  const before = await sweepBefore(out, space, options);
  const isOver = before !== undefined && isNothingMissing(before);
  if (isOver) await settle(out, before);
  const { code, signalCode } = isOver
    ? { code: before.book.counts().failed > 0 ? EXIT_CODES.trials : 0, signalCode: 0 }
    : await conduct(sweep, out, { ...options, pool });
  const isThere = existsSync(join(out, SWEEP_JOURNAL_FILE));
  printSweep(isThere ? await readNoting(out) : emptySweep(space, RESULTS_CODE), out, {
    ...{ json, places: PLACES, isInterrupted: signalCode !== 0 },
    hints: [
      ...(signalCode === 0 ? [] : [`resume     ${resumeCommand(out)}`]),
      ...(code === EXIT_CODES.trials ? [`retry      npx saf sweep retry --failed ${shown(out)}`] : []),
    ],
  });
  process.exitCode = signalCode || code;
}

/** Says what `run` would do, and what it would ask for. */
async function plan(
  sweep: LoadedSweep,
  out: string,
  options: SweepRunOptions & { pool: PoolConfig },
): Promise<void> {
  const { runs, pool, force } = options;
  const before = await readBefore(out, sweep.space);
  const objection = before === undefined ? undefined : objectionTo(out, before, force === true);
  const { printPlan } = await import("./sweep-plan.js");
  // What stands in its way is said; what it takes is still of interest.
  before?.book.resume(0);
  await printPlan({ ...sweep, ...{ out, before, pool, runs, objection, json: options.json === true } });
}

/** On a cluster of this machine, to its end or to a signal. */
async function conduct(
  { spec, space, isObjectiveGiven }: LoadedSweep,
  out: string,
  options: SweepRunOptions & { command: string; pool: PoolConfig },
): Promise<WorkEnd> {
  const { engine } = chosenEngine([space.base], saidEngine(options));
  const workers = await checkPlace(options, out, "sweep");
  for (const data of dataSettingsOf(space)) await checkAside(data, process.env);
  let hasBegun = false;
  const begin = async (): Promise<string[]> => {
    hasBegun = true;
    const folder = join(out, "runs.d");
    await makeFolder(folder).catch((cause: unknown) => {
      throw storageError(`create ${folder}`, cause);
    });
    const file = join(folder, SWEEP_FILE);
    await writeFileAtomic(file, sweepText(spec));
    const title = spec.title ?? `saf sweep ${spec.name}`;
    return [
      ...["--sweep", file, "--out", out, "--title", title, "--command", options.command],
      ...(options.force === true ? ["--force"] : []),
    ];
  };
  const ending = "finishing what is being computed; trials go on from where they are";
  const words = `sweep ${spec.name}: ${objectiveWords(space, isObjectiveGiven)}`;
  const about = process.stderr.isTTY ? wrapped(words, terminalOf(process.stderr).width) : [words];
  const work = { ...options, ...{ out, workers, engine, isOneRun: false, about, begin, ending } };
  return workLocally(work, (end) => Promise.resolve(end)).catch((error: unknown) => {
    if (hasBegun && error instanceof ClusterError) throw withWayOn(error, out, options.command);
    throw error;
  });
}

/** The error that ended it, with the command that goes on. */
function withWayOn(error: ClusterError, out: string, command: string): ClusterError {
  if (error.exitCode === EXIT_CODES.config) return error;
  const next = isSweepFolder(out) ? resumeCommand(out) : command;
  const hint = [error.hint, `go on with   ${next}`].filter((line) => line !== undefined).join("\n");
  return new ClusterError(error.code, error.message, { hint, cause: error.cause ?? error });
}

/** All trials are over, by this file: a cluster would have nothing to do. */
function isNothingMissing({ book, opened, space }: SweepOnDisk): boolean {
  if (opened.at(-1)?.spec !== specHash(space)) return false;
  const { kind, lines } = book.take(Date.now() / 1000);
  return kind === "none" && lines.length === 0;
}

/** Writes the results where that is still to be done: a full disk may have refused them. Throws ClusterError("storage"). */
async function settle(out: string, sweep: SweepOnDisk): Promise<void> {
  const held = limitWords(sweep.book.heldBy(Date.now() / 1000), sweep.space);
  const [journal, results] = await Promise.all(
    [SWEEP_JOURNAL_FILE, RESULTS_FILE].map(async (name) => stat(join(out, name)).catch(() => undefined)),
  );
  const areWritten = journal !== undefined && results !== undefined && results.mtimeMs >= journal.mtimeMs;
  const missing = areWritten ? "" : " but its results: writing them";
  const what = held === undefined ? "nothing of it is missing" : `${held}; nothing else of it is missing`;
  process.stderr.write(`${what}${missing}\n`);
  await noteMissingWeights(out, sweep);
  if (!areWritten) await writeSweepResults(out, resultsOf(sweep, shown(out)));
}

/**
 * What is in the folder already, as this sweep sees it; undefined where there is nothing. Throws ClusterError("usage") where
 * it is of another sweep, was cancelled, or holds trials that this one does not make and `force` is not given.
 */
async function sweepBefore(
  out: string,
  space: Space,
  { force }: Pick<SweepRunOptions, "force">,
): Promise<SweepOnDisk | undefined> {
  const sweep = await readBefore(out, space);
  const objection = sweep === undefined ? undefined : objectionTo(out, sweep, force === true);
  if (objection !== undefined) throw objection;
  return sweep;
}

async function readBefore(out: string, space: Space): Promise<SweepOnDisk | undefined> {
  refuseOtherWork(out, "sweep");
  if (!existsSync(join(out, SWEEP_JOURNAL_FILE))) return undefined;
  const sweep = await readSweep(out, { space, code: RESULTS_CODE });
  const { opened, notes } = sweep;
  for (const note of notes) process.stderr.write(`warning: ${note}\n`);
  const name = opened.at(-1)?.name;
  if (name !== undefined && name !== space.spec.name) {
    throw new ClusterError("usage", `Cannot go on in ${shown(out)}: it holds the sweep "${name}"`, {
      hint: "choose another folder by --out",
    });
  }
  return sweep;
}

/** Why it is not gone on with; undefined where it is. */
function objectionTo(out: string, sweep: SweepOnDisk, isForced: boolean): ClusterError | undefined {
  if (sweep.book.summary().isCancelled) {
    return new ClusterError("usage", `The sweep in ${shown(out)} was cancelled`, {
      hint: `go on with it by ${resumeCommand(out)}`,
    });
  }
  return isForced ? undefined : outsidersIn(out, sweep);
}

/** Trials that are not measured yet are no loss. */
function outsidersIn(out: string, sweep: SweepOnDisk): ClusterError | undefined {
  const outside = newlyOutside(sweep);
  if (outside.length === 0) return undefined;
  const measured = outside.length + sweep.book.rows().filter(({ rungs }) => rungs.length > 0).length;
  const reasons = new Map<string, number>();
  for (const { outside: reason = "" } of outside) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  const most = [...reasons].sort((a, b) => b[1] - a[1]).slice(0, MOST_REASONS);
  const lines = [
    ...most.map(([reason, count]) => `${count} of them: ${reason}`),
    ...sweep.changes.slice(0, MOST_REASONS).map((change) => `other than before: ${change}`),
  ];
  const hint =
    "--force goes on; they stay in the journal, and results leave them out\n--out FOLDER begins anew";
  const wasEmulated = sweep.changes.includes(NO_LONGER_EMULATED);
  return new ClusterError(
    "usage",
    [
      `${outside.length} of ${measured} measured trials in ${shown(out)} belong to this sweep no more`,
      ...lines,
    ].join("\n"),
    { hint: wasEmulated ? `--engine ${EMULATED} goes on with what is there\n${hint}` : hint },
  );
}

/** Where the images of its trials are. */
function dataSettingsOf({ base, parameters, spec }: Space): DataSetting[] {
  const varied = parameters.find(({ path }) => path === "data.set");
  const tried = varied?.domain.kind === "values" ? varied.domain.values : [];
  const listed = (spec.list ?? []).flatMap((entry) => entry["data.set"] ?? []);
  const isAlways = tried.length > 0 && varied?.when === undefined;
  const sets = new Set([...(isAlways ? [] : [base.data.set]), ...tried, ...listed].map(String));
  return [...sets].map((set) => ({ ...base.data, set }));
}
