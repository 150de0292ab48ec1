/** What `saf sweep run`, `resume` and `retry` do. */
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type DataSetting, checkAside } from "../../coordinator/io/datasets/load-aside.js";
import { realDirectory } from "../../coordinator/io/run-directory.js";
import {
  SWEEP_FILE,
  SWEEP_JOURNAL_FILE,
  type SweepOnDisk,
  newlyOutside,
  readSweep,
} from "../../coordinator/io/sweep-directory.js";
import { specHash } from "../../coordinator/sweeps/belonging.js";
import { RESULTS_CODE } from "../../coordinator/sweeps/results-code.js";
import type { Space } from "../../coordinator/sweeps/space.js";
import type { PoolConfig } from "../../shared/config/pool.js";
import { EMULATED } from "../../shared/engine.js";
import { ClusterError, EXIT_CODES } from "../../shared/errors.js";
import { storageError, writeFileAtomic } from "../../shared/io/atomic-file.js";
import { makeFolder } from "../../shared/io/folders.js";
import { engineInEnvironment } from "../setup/engine.js";
import { chosenEngine } from "./chosen-engine.js";
import { type WorkEnd, checkPlace, workLocally } from "./local-work.js";
import { shown } from "./output.js";
import { loadPool, ofRun } from "./pool-options.js";
import type { RunOptions } from "./run-options.js";
import { type ChangeFlags, retry, takeBackCancel } from "./sweep-changes.js";
import { type LoadedSweep, loadSweep, sweepText } from "./sweep-file.js";
import { sweepFolder } from "./sweep-place.js";
import { emptySweep, printSweep, readNoting } from "./sweep-output.js";

/** Of why trials do not belong, so many are said. */
const MOST_REASONS = 5;
/** Of the leaderboard at the end; `saf sweep results --top` shows more. */
const PLACES = 10;

export interface SweepRunOptions extends RunOptions {
  set: string[];
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
  const out = await sweepFolder(folder, options.runs);
  const sweep = await loadWith(join(out, SWEEP_FILE), options);
  if (options.dryRun !== true) await takeBackCancel(out);
  await goOn(sweep, out, { ...options, command: resumeCommand(out) });
}

export async function retryTrials(
  folder: string | undefined,
  options: SweepRunOptions & ChangeFlags,
): Promise<void> {
  const out = await sweepFolder(folder, options.runs);
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
  { spec, space }: LoadedSweep,
  out: string,
  options: SweepRunOptions & { command: string },
): Promise<void> {
  const { value: pool } = await loadPool(options);
  const before = await sweepBefore(out, space, options);
  const json = options.json === true;
  if (options.dryRun === true) {
    const { printPlan } = await import("./sweep-plan.js");
    return printPlan({ spec, space, out, before: before?.book, pool, runs: options.runs, json });
  }
  const isOver = before !== undefined && (await isNothingMissing(out, before));
  if (isOver) process.stderr.write("nothing of it is missing\n");
  const { code, signalCode } = isOver
    ? { code: before.book.counts().failed > 0 ? EXIT_CODES.trials : 0, signalCode: 0 }
    : await conduct({ spec, space }, out, { ...options, pool });
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

/** On a cluster of this machine, to its end or to a signal. */
async function conduct(
  { spec, space }: LoadedSweep,
  out: string,
  options: SweepRunOptions & { command: string; pool: PoolConfig },
): Promise<WorkEnd> {
  const { engine } = chosenEngine([space.base], saidEngine(options));
  const workers = await checkPlace(options, out);
  for (const data of dataSettingsOf(space)) await checkAside(data, process.env);
  const begin = async (): Promise<string[]> => {
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
  const work = { ...options, ...{ out, workers, engine, isOneRun: false, begin, ending } };
  return workLocally(work, (end) => Promise.resolve(end));
}

/** All trials are over, and what they came to is written, by this file: a cluster would have nothing to do. */
async function isNothingMissing(out: string, { book, opened, space }: SweepOnDisk): Promise<boolean> {
  if (opened.at(-1)?.spec !== specHash(space) || book.take(Date.now() / 1000).kind !== "none") return false;
  const [journal, results] = await Promise.all(
    [SWEEP_JOURNAL_FILE, "results.json"].map(async (name) => stat(join(out, name)).catch(() => undefined)),
  );
  return journal !== undefined && results !== undefined && results.mtimeMs >= journal.mtimeMs;
}

/**
 * What is in the folder already, as this sweep sees it; undefined where there is nothing. Throws ClusterError("usage") where
 * it is of another sweep, was cancelled, or holds trials that this one does not make and `force` is not given.
 */
async function sweepBefore(
  out: string,
  space: Space,
  { force, dryRun }: Pick<SweepRunOptions, "force" | "dryRun">,
): Promise<SweepOnDisk | undefined> {
  if (!existsSync(join(out, SWEEP_JOURNAL_FILE))) return undefined;
  const sweep = await readSweep(out, { space, code: RESULTS_CODE });
  const { book, opened, notes } = sweep;
  for (const note of notes) process.stderr.write(`warning: ${note}\n`);
  const name = opened.at(-1)?.name;
  if (name !== undefined && name !== space.spec.name) {
    throw new ClusterError("usage", `Cannot go on in ${shown(out)}: it holds the sweep "${name}"`, {
      hint: "choose another folder by --out",
    });
  }
  if (dryRun === true) {
    book.resume(0);
    return sweep;
  }
  if (book.summary().isCancelled) {
    throw new ClusterError("usage", `The sweep in ${shown(out)} was cancelled`, {
      hint: `go on with it by ${resumeCommand(out)}`,
    });
  }
  if (force !== true) refuseOutsiders(out, sweep);
  return sweep;
}

/** Trials that are not measured yet are no loss. */
function refuseOutsiders(out: string, sweep: SweepOnDisk): void {
  const outside = newlyOutside(sweep);
  if (outside.length === 0) return;
  const measured = outside.length + sweep.book.rows().filter(({ rungs }) => rungs.length > 0).length;
  const reasons = new Map<string, number>();
  for (const { outside: reason = "" } of outside) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  const most = [...reasons].sort((a, b) => b[1] - a[1]).slice(0, MOST_REASONS);
  const lines = most.map(([reason, count]) => `${count} of them: ${reason}`);
  throw new ClusterError(
    "usage",
    [
      `${outside.length} of ${measured} measured trials in ${shown(out)} belong to this sweep no more`,
      ...lines,
    ].join("\n"),
    {
      hint: "--force goes on; they stay in the journal, and results leave them out. --out FOLDER begins anew",
    },
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
