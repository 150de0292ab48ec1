/** One training on a cluster of its own, calm or under faults, up to its last step; nothing is measured afterwards. */
import { join } from "node:path";
import { LEDGER, type LedgerLine } from "../../coordinator/runs/step-books.js";
import { type Clock, pause } from "../../shared/clock.js";
import type { EngineName } from "../../shared/engine.js";
import type { PoolConfig } from "../../shared/config/pool.js";
import type { Layout } from "../../shared/core/layout.js";
import { ClusterError, wordsOf } from "../../shared/errors.js";
import { checkpointNames, readCheckpoint } from "../../shared/io/checkpoint-files.js";
import { hashOf } from "../../shared/io/hash.js";
import { readJsonLines } from "../../shared/io/json-lines.js";
import type { saf } from "../../shared/messages.js";
import { LocalCluster } from "../local/cluster.js";
import type { NatsBinary } from "../local/nats/resolve.js";
import { Commits } from "./commits.js";
import type { Injected } from "./core/recovery.js";
import { COORDINATOR, type Fault } from "./core/schedule.js";
import { injectAll } from "./injector.js";
import { Links } from "./link-proxy.js";
import type { SmallDisk } from "./small-disk.js";
import type { Outcome } from "./verdict.js";

export interface TrainingSetting {
  nats: NatsBinary;
  engine: EngineName;
  workerEnvironment: Record<string, string>;
  cacheDir: string;
  pool: PoolConfig;
  workers: readonly string[];
  /** The run's settings. */
  runFile: string;
  layout: Layout;
  disk: SmallDisk | undefined;
  clock: Clock;
  /** The user wants no more of it. */
  signal: AbortSignal;
  onEvent: (event: saf.v1.Event) => void;
  onInjected: (fault: Fault) => void;
}

export interface Trained extends Outcome {
  /** From the start of the processes to the last commit. */
  seconds: number;
  /** When steps were committed, in milliseconds since the start of the processes. */
  commits: number[];
  /** In the same time. */
  injected: Injected[];
}

/** As long without a commit, and the training is stuck. */
const PATIENCE_MS = 60_000;
const LOOK_EVERY_MS = 500;

/** In `out`, which is made. */
export async function trainOnce(
  setting: TrainingSetting,
  out: string,
  faults: readonly Fault[],
): Promise<Trained> {
  const { clock, layout, signal } = setting;
  const startedMs = clock.now();
  const since = (ms: number): number => ms - startedMs;
  const trained = new AbortController();
  const { cluster, links } = await startCluster(setting, out, () => trained.abort());
  let commits: Commits | undefined;
  try {
    commits = await Commits.of(cluster, clock);
    const over = AbortSignal.any([trained.signal, signal]);
    const { failure, injected } = await underFaults(setting, { cluster, links, commits, faults, over });
    await cluster.stop();
    const { times } = commits;
    return {
      ...(await outcomeOf(out, layout, failure)),
      seconds: since(times.at(-1) ?? startedMs) / 1000,
      commits: times.map(since),
      injected: injected.map((one) => ({ ...one, atMs: since(one.atMs), endMs: since(one.endMs) })),
    };
  } finally {
    await commits?.close();
    await cluster.stop();
  }
}

/** `onTrained`: the last step is committed, and on the disk. */
async function startCluster(
  setting: TrainingSetting,
  out: string,
  onTrained: () => void,
): Promise<{ cluster: LocalCluster; links: Links }> {
  const made: { links?: Links } = {};
  const cluster = await LocalCluster.start({
    ...setting,
    workers: setting.workers.length,
    out,
    coordinatorArguments: ["--run", setting.runFile, "--out", out],
    restartCoordinator: true,
    route: async (url) => (made.links = await Links.to(url, [COORDINATOR, ...setting.workers])),
    onEvent: (event) => {
      if (event.phase?.name === "evaluating") onTrained();
      setting.onEvent(event);
    },
    onNote: () => undefined,
  });
  if (made.links === undefined) throw new ClusterError("unexpected", "The cluster was started without links");
  return { cluster, links: made.links };
}

interface Running {
  cluster: LocalCluster;
  links: Links;
  commits: Commits;
  faults: readonly Fault[];
  /** Nothing more is waited for. */
  over: AbortSignal;
}

/** What is injected ends with the training, however that ends. */
async function underFaults(
  { disk, clock, onInjected }: TrainingSetting,
  { cluster, links, commits, faults, over }: Running,
): Promise<{ failure: string | undefined; injected: Injected[] }> {
  const ended = new AbortController();
  const injecting = injectAll(faults, {
    ...{ cluster, links, disk, clock, onInjected },
    over: AbortSignal.any([over, ended.signal]),
    reached: (step) => commits.reached(step),
  });
  const failure = await endOf(cluster, commits, over, clock);
  ended.abort();
  return { failure, injected: await injecting };
}

/** Undefined when the training is over; else why it did not come to its end. */
async function endOf(
  cluster: LocalCluster,
  commits: Commits,
  over: AbortSignal,
  clock: Clock,
): Promise<string | undefined> {
  let ended: number | undefined;
  const finished = cluster.finished().then((code) => (ended = code));
  const startedMs = clock.now();
  while (!over.aborted && ended === undefined) {
    const silentMs = clock.now() - (commits.times.at(-1) ?? startedMs);
    if (silentMs > PATIENCE_MS)
      return `no step was committed for ${PATIENCE_MS / 1000} s, after step ${commits.farthest}`;
    await Promise.race([finished, pause(clock, LOOK_EVERY_MS, over)]);
  }
  if (ended === undefined || ended === 0) return undefined;
  return `the run ended with exit code ${ended}${cluster.failure === undefined ? "" : `: ${cluster.failure.message}`}`;
}

/** From the files, as whoever comes later finds them. */
async function outcomeOf(out: string, layout: Layout, failure: string | undefined): Promise<Outcome> {
  const folder = join(out, "checkpoints");
  const ledger = await readJsonLines<LedgerLine>(join(out, LEDGER), () => undefined);
  const newest = (await checkpointNames(folder)).at(-1);
  if (newest === undefined)
    return { failure: failure ?? "it left no checkpoint", step: 0, sha256: "", ledger };
  try {
    const { state } = await readCheckpoint(join(folder, newest), layout);
    return { failure, step: state.step, sha256: hashOf(state.parameters), ledger };
  } catch (error) {
    return { failure: failure ?? wordsOf(error), step: 0, sha256: "", ledger };
  }
}
