/** What `saf chaos` does. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { loadAside } from "../../coordinator/io/datasets/load-aside.js";
import type { Config } from "../../shared/config/run.js";
import type { PoolConfig } from "../../shared/config/pool.js";
import { ClusterError } from "../../shared/errors.js";
import { realClock } from "../../shared/io/real-clock.js";
import { layoutOf } from "../../shared/networks/network.js";
import { resolveRun, stepPlan } from "../../shared/resolve.js";
import { type Chaos, type ChaosSetting, chaos } from "../chaos/chaos.js";
import { FAULT_KINDS, type FaultKind } from "../chaos/core/schedule.js";
import { SmallDisk } from "../chaos/small-disk.js";
import { localWorkers } from "../local/cluster.js";
import { resolveNatsServer } from "../local/nats/resolve.js";
import { createScratch } from "../local/scratch.js";
import { defaultCacheDir, engineInEnvironment, provisionEngine, workerEnvironment } from "../setup/engine.js";
import { type Skipped, chaosDocument, renderChaos } from "./chaos-view.js";
import { chosenEngine } from "./chosen-engine.js";
import { loadConfig } from "./config-file.js";
import { printResult, reportError } from "./output.js";
import { loadPool, ofRun } from "./pool-options.js";
import type { ClusterOptions } from "./run-options.js";
import { type Interruption, interruption } from "./signals.js";

export interface ChaosOptions extends ClusterOptions {
  config: string[];
  set: string[];
  seed: number;
  faults: number;
  minutes?: number;
  only?: FaultKind[];
  longest: number;
  json?: true;
}

const MIB = 2 ** 20;

export async function chaosOf(options: ChaosOptions): Promise<void> {
  const { value: loaded } = await loadConfig({ files: options.config, set: ofRun(options.set) });
  const { value: pool } = await loadPool(options);
  const { configs, engine } = chosenEngine([loaded], options.engine ?? engineInEnvironment(process.env));
  const config = trainingAlone(configs[0] ?? loaded);
  const say = (text: string): void => void process.stderr.write(`chaos: ${text}\n`);
  const stop = interruption((name) => say(`${name}: ending the processes`));
  const { disk: folder } = await createScratch(false);
  try {
    const ground = { folder, stop, say };
    const { setting, skipped } = await settingOf({ ...options, engine }, config, pool, ground);
    const found = await chaos(setting).finally(() => setting.disk?.unmount());
    tell(options, found, setting, skipped);
    if (stop.exitCode() !== 0) process.exitCode = stop.exitCode();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What is measured on the way, or afterwards, has no part in it. */
function trainingAlone(config: Config): Config {
  return {
    ...config,
    train: { ...config.train, evaluate_every_epochs: 0 },
    evaluate: { ...config.evaluate, kinds: ["clean"], protocol: "paper", features: false },
  };
}

interface Ground {
  folder: string;
  stop: Interruption;
  say: (text: string) => void;
}

async function settingOf(
  options: Omit<ChaosOptions, "engine"> & { engine: ChaosOptions["engine"] | undefined },
  config: Config,
  given: PoolConfig,
  { folder, stop, say }: Ground,
): Promise<{ setting: ChaosSetting; skipped: Skipped[] }> {
  const cacheDir = defaultCacheDir(process.env);
  const resolved = resolveRun(config);
  const { dataset } = await loadAside(config.data, process.env);
  const plan = stepPlan(config, resolved, dataset.train.labels.length);
  const { engine: force, natsServer: explicit } = options;
  const choice = await provisionEngine({
    cacheDir,
    progress: say,
    ...(force === undefined ? {} : { force }),
  });
  const nats = await resolveNatsServer({
    ...{ env: process.env, cacheDir, install: true, progress: say },
    ...(explicit === undefined ? {} : { explicit }),
  });
  const count = localWorkers(given.workers, availableParallelism());
  const layout = layoutOf(resolved.network);
  const runFile = join(folder, "run.yaml");
  await writeFile(runFile, stringify(config));
  const { disk, kinds, skipped } = await possible(options.only ?? FAULT_KINDS, given, {
    folder: join(folder, "disk"),
    bytes: 64 * MIB + 8 * layout.size * (config.train.keep_checkpoints + 4),
  });
  for (const { kind, why } of skipped) say(`${kind} is left out: ${why}`);
  const setting: ChaosSetting = {
    ...{ nats, cacheDir, plan, layout, runFile, kinds, disk, say, clock: realClock },
    ...{ engine: choice.engine, workerEnvironment: workerEnvironment(choice) },
    pool: { ...given, workers: count, min_workers: count },
    workers: Array.from({ length: count }, (_, i) => `worker-${i + 1}`),
    ...{ seed: options.seed, faults: options.faults, longestMs: options.longest },
    forMs: 60_000 * (options.minutes ?? 0),
    folder,
    signal: stop.signal,
    onEvent: () => undefined,
  };
  return { setting, skipped };
}

/** The kinds that can be had here, with what they need. */
async function possible(
  wanted: readonly FaultKind[],
  pool: PoolConfig,
  room: { folder: string; bytes: number },
): Promise<{ kinds: FaultKind[]; disk: SmallDisk | undefined; skipped: Skipped[] }> {
  const skipped: Skipped[] = [];
  if (wanted.includes("corrupt") && pool.shared_memory)
    skipped.push({
      kind: "corrupt",
      why: "values lie in shared memory and do not travel; --set pool.shared_memory=false lets them",
    });
  let disk: SmallDisk | undefined;
  if (wanted.includes("disk-full")) {
    await mkdir(room.folder);
    const mounted = await SmallDisk.mount(room.folder, room.bytes);
    if (typeof mounted === "string") skipped.push({ kind: "disk-full", why: mounted });
    else disk = mounted;
  }
  return { kinds: wanted.filter((kind) => !skipped.some((one) => one.kind === kind)), disk, skipped };
}

function tell(options: ChaosOptions, found: Chaos, setting: ChaosSetting, skipped: readonly Skipped[]): void {
  const { engine, workers } = setting;
  const ground = { engine, workers: workers.length, skipped };
  const document = chaosDocument(found, ground);
  const width = process.stdout.columns ?? 100;
  printResult(options.json === true ? document : renderChaos(document, width));
  // Not thrown: stdout has its one document already.
  if (!document.holds && !document.interrupted)
    reportError(new ClusterError("quality", "Something does not hold under faults: see above"));
}
