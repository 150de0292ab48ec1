/** What `saf bench` does: interleaved rounds, and the figures of all of them. */
import { availableParallelism, loadavg } from "node:os";
import { REAL_ENGINES, type RealEngine } from "../../shared/engine.js";
import { ClusterError } from "../../shared/errors.js";
import { keysOf } from "../../shared/core/keys.js";
import {
  COMPARISONS,
  type ComparisonName,
  type Wishes,
  overviewOf,
  rowsOf,
} from "../bench/core/comparisons.js";
import {
  type BulkWay,
  type Codec,
  ENGINE_MODES,
  type EngineMode,
  distinct,
  nameOf,
} from "../bench/core/contenders.js";
import { overviewReport, overviewTable } from "../bench/core/overview.js";
import {
  type Run,
  contenderResult,
  contenderTable,
  rowResult,
  rowTable,
  sameEngineNotes,
} from "../bench/core/report.js";
import type { Ground } from "../bench/ground.js";
import { runRounds } from "../bench/rounds.js";
import { traceCluster } from "../bench/trace.js";
import { resolveNatsServer } from "../local/nats/resolve.js";
import { defaultCacheDir, provisionEngine } from "../setup/engine.js";
import { printResult } from "./output.js";

export interface BenchFlags {
  json?: true;
  engine?: RealEngine | EngineMode;
  engineMode?: EngineMode;
  natsServer?: string;
  python: string;
  data?: string;
  model?: string;
  batch?: number;
  slots?: number;
  steps?: number;
  rounds: number;
  bulk?: BulkWay | "shared-memory";
  codec?: Codec;
  workers: number;
  hosts?: number;
  run?: string;
  images?: number;
  trace?: string;
}

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

function comparisonsIn(names: readonly string[]): ComparisonName[] {
  const all = keysOf(COMPARISONS);
  return names.includes("all") ? all : all.filter((name) => names.includes(name));
}

/** `--engine` names a rung of the ladder, or how TensorFlow is asked. */
export function wishesIn(flags: BenchFlags): { engine: RealEngine | undefined; wishes: Wishes } {
  const { data, model, batch, slots, steps, codec, workers, hosts, images, bulk } = flags;
  const engine = REAL_ENGINES.find((name) => name === flags.engine);
  const asEngine = ENGINE_MODES.find((mode) => mode === flags.engine);
  const mode = flags.engineMode ?? asEngine;
  if (asEngine !== undefined && mode !== asEngine)
    throw new ClusterError("usage", `--engine ${asEngine} and --engine-mode ${mode} contradict each other`);
  const spread = hosts ?? 1;
  if (spread > workers)
    throw new ClusterError("usage", `${workers} workers cannot be spread over ${spread} hosts`, {
      hint: `-w ${spread} gives each one`,
    });
  const way: BulkWay | undefined = bulk === "shared-memory" ? "mapped" : bulk;
  if (spread > 1 && way === "mapped")
    throw new ClusterError("usage", "Hosts share no memory: --bulk mapped goes with one host");
  const load = { data, model, batch, slots, steps };
  const said = Object.fromEntries(Object.entries(load).filter(([, value]) => value !== undefined));
  return { engine, wishes: { ...said, workers, mode, codec, bulk: way, hosts, images } };
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

const subjectOf = ({ data, model, workers }: Wishes): { data: string; model: string; workers: number } => ({
  ...{ data: data ?? "mnist", model: model ?? "mrelu-r-m", workers },
});

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

async function trace(
  ground: Ground,
  wishes: Wishes,
  file: string,
  { json }: BenchFlags,
): Promise<void> {
  const { cluster } = overviewOf(wishes);
  const { summary, words } = await traceCluster(ground, cluster, file);
  printResult(json ? summary : words);
}
