/** What `saf bench` does: interleaved rounds, and the figures of all of them. */
import { availableParallelism, loadavg } from "node:os";
import type { RealEngine } from "../../shared/engine.js";
import { ClusterError } from "../../shared/errors.js";
import { type ComparisonName, type Wishes, overviewOf, rowsOf } from "../bench/core/comparisons.js";
import { distinct, isSkipped, nameOf } from "../bench/core/contenders.js";
import { type BenchFlags, comparisonsIn, subjectOf, wishesIn } from "../bench/core/flags.js";
import { overviewReport } from "../bench/core/overview.js";
import { type Run, contenderResult, outcomesOf, rowResult, sameEngineNotes } from "../bench/core/report.js";
import type { Ground } from "../bench/ground.js";
import { runRounds } from "../bench/rounds.js";
import { contenderTable, overviewTable, rowTable } from "../bench/tables.js";
import { traceCluster } from "../bench/trace.js";
import { resolveNatsServer } from "../local/nats/resolve.js";
import { defaultCacheDir, provisionEngine } from "../setup/engine.js";
import { printResult } from "./output.js";

const note = (line: string): void => void process.stderr.write(`bench: ${line}\n`);

export async function bench(names: readonly string[], flags: BenchFlags): Promise<void> {
  const comparisons = comparisonsIn(names);
  if (flags.trace !== undefined && comparisons.length > 0)
    throw new ClusterError("usage", "--trace traces one training: name no comparison beside it");
  const { engine, wishes } = wishesIn(flags);
  const ground = await groundOf(flags, engine);
  if (flags.trace !== undefined) await trace(ground, wishes, flags.trace, flags);
  else if (comparisons.length === 0) await overview(ground, wishes, flags);
  else await compare(ground, comparisons, wishes, flags);
}

async function groundOf(flags: BenchFlags, engine: RealEngine | undefined): Promise<Ground> {
  const cacheDir = defaultCacheDir(process.env);
  const choice = await provisionEngine({
    ...{ cacheDir, progress: note },
    ...(engine === undefined ? {} : { force: engine }),
  });
  const nats = await resolveNatsServer({
    ...{ env: process.env, cacheDir, install: true, progress: note },
    ...(flags.natsServer === undefined ? {} : { explicit: flags.natsServer }),
  });
  return { choice, nats, cacheDir, python: flags.python, trained: flags.run };
}

/** What the figures stand on. */
function settingOf({ choice, nats }: Ground, rounds: number): Record<string, string | number> {
  return {
    rounds,
    engine: choice.version,
    nats_server: nats.version,
    cores: availableParallelism(),
    load_before: loadavg()[0] ?? 0,
  };
}

const settingWords = (setting: Record<string, string | number>): string =>
  Object.entries(setting)
    .map(([key, value]) => `${key} ${typeof value === "number" ? Number(value.toFixed(2)) : value}`)
    .join(", ");

async function overview(ground: Ground, wishes: Wishes, { rounds, json }: BenchFlags): Promise<void> {
  const contenders = overviewOf(wishes);
  const { cluster, bare, together, peer } = contenders;
  const { model, data, batch, slots, steps, workers, bulk, hosts } = cluster;
  const setting = {
    ...{ model, data, batch, slots, steps, workers, bulk, hosts },
    ...settingOf(ground, rounds),
  };
  const all = [bare, cluster, together, peer];
  const runs = await runRounds(ground, distinct(all), { rounds, subject: subjectOf(wishes), progress: note });
  // Only the peer may be missing.
  const ours = [bare, cluster, together].flatMap((one) => outcomesOf(runs, nameOf(one)));
  const missing = ours.find(isSkipped);
  if (missing !== undefined)
    throw new ClusterError("unexpected", `The benchmark cannot run: ${missing.skipped}`);
  const report = overviewReport(contenders, runs);
  const title = `${settingWords(setting)}\n\n`;
  printResult(json ? { setting, ...report, runs } : title + overviewTable(report, cluster));
}

async function compare(
  ground: Ground,
  names: readonly ComparisonName[],
  wishes: Wishes,
  { rounds, json }: BenchFlags,
): Promise<void> {
  const setting = settingOf(ground, rounds);
  const rows = rowsOf(names, wishes);
  const contenders = distinct(rows.flatMap(({ above, below }) => [above, below]));
  const runs: Run[] = await runRounds(ground, contenders, {
    ...{ rounds, subject: subjectOf(wishes), progress: note },
  });
  const results = rows.map((row) => rowResult(row, runs));
  const measured = contenders.map((contender) => contenderResult(nameOf(contender), runs));
  const notes = sameEngineNotes(rows, measured);
  if (json) {
    printResult({ setting, rows: results, contenders: measured, notes, runs });
    return;
  }
  const parts = [settingWords(setting), rowTable(results), contenderTable(measured), ...notes];
  printResult(parts.join("\n\n"));
}

async function trace(ground: Ground, wishes: Wishes, file: string, { json }: BenchFlags): Promise<void> {
  const { cluster } = overviewOf(wishes);
  const { summary, words } = await traceCluster(ground, cluster, file);
  printResult(json ? summary : words);
}
