/** What the benchmark compares: the bare engine loop, the cluster, PyTorch's DistributedDataParallel. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { poolSchema } from "../../shared/config/pool.js";
import { configSchema } from "../../shared/config/run.js";
import { ClusterError } from "../../shared/errors.js";
import { realClock } from "../../shared/io/real-clock.js";
import { LocalCluster } from "../local/cluster.js";
import type { NatsBinary } from "../local/nats/resolve.js";
import { type EngineChoice, workerEnvironment } from "../setup/engine.js";
import { type Usage, usageOf } from "./process-usage.js";
import { temporaryFolder } from "../local/places.js";

export interface BenchSetting {
  choice: EngineChoice;
  nats: NatsBinary;
  cacheDir: string;
  model: string;
  batch: number;
  slots: number;
  steps: number;
  workers: number;
  /** Bulk bytes through shared memory, or all through NATS. */
  sharedMemory: boolean;
}

export interface BareResult {
  samples_per_second: number;
  samples_per_cpu_second: number;
  rss_bytes: number;
}

const BARE_LOOP = fileURLToPath(new URL("../../worker/bench/bare-loop.js", import.meta.url));
const PEER = fileURLToPath(new URL("../../test/bench/peers/ddp.py", import.meta.url));
const LIMIT_MS = 180_000;
/** Exit code of the peer where torch is missing. */
const SKIPPED = 77;

/** So many bare loops at once, each in a process of its own; their speeds, one by one. */
export async function bareLoops(setting: BenchSetting, processes: number): Promise<BareResult[]> {
  const { choice, model, batch, slots, steps } = setting;
  const args = [BARE_LOOP, choice.engine, model, String(batch), String(slots), String(steps)];
  const runs = Array.from({ length: processes }, () =>
    run(process.execPath, args, workerEnvironment(choice)),
  );
  return (await Promise.all(runs)).map(({ stdout }) => JSON.parse(lastLine(stdout)) as BareResult);
}

export interface ClusterResult {
  samples_per_second: number;
  samples_per_cpu_second: number;
  /** Share of all CPU time of the cluster that coordinator and nats-server took. */
  overhead_cpu_share: number;
  coordinator_cpu_share: number;
  nats_cpu_share: number;
  coordinator_rss_bytes: number;
  nats_rss_bytes: number;
  worker_rss_bytes: number;
}

interface Snapshot {
  atMs: number;
  done: number;
  coordinator: Usage;
  nats: Usage;
  workers: Usage[];
}

/** Steps before the clock starts: images are fetched, buffers grown, code compiled. As many as the bare loop's. */
const WARM_UP_STEPS = 100;

/** Trains so many steps on a cluster of this machine; measured from commit to commit. */
export async function clusterRun(setting: BenchSetting): Promise<ClusterResult> {
  const folder = await temporaryFolder("saf-bench-");
  try {
    return await measureCluster(setting, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function measureCluster(setting: BenchSetting, folder: string): Promise<ClusterResult> {
  const { model, batch, slots, steps, workers, choice, nats, cacheDir } = setting;
  const config = configSchema.parse({
    model,
    train: { batch_size: batch, slots, max_steps: steps + WARM_UP_STEPS, evaluate_every_epochs: 0 },
    evaluate: { kinds: ["clean"] },
  });
  const file = join(folder, "run.yaml");
  // Inside, for beside a run comes the link `latest`.
  const out = join(folder, "run");
  await writeFile(file, stringify(config));
  const snapshots: Snapshot[] = [];
  let cluster: LocalCluster | undefined;
  const trained = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new ClusterError("unexpected", "The benchmark's training did not end in time")),
      LIMIT_MS,
    );
    const finish = (): void => {
      clearTimeout(timer);
      resolve();
    };
    void LocalCluster.start({
      nats,
      engine: choice.engine,
      workerEnvironment: workerEnvironment(choice),
      workers,
      out,
      coordinatorArguments: ["--run", file, "--out", out],
      cacheDir,
      pool: poolSchema.parse({ workers, min_workers: workers, shared_memory: setting.sharedMemory }),
      clock: realClock,
      restartCoordinator: false,
      onNote: () => undefined,
      onEvent: ({ progress }) => {
        if (progress?.phase !== "training" || cluster === undefined || (progress.done ?? 0) < WARM_UP_STEPS)
          return;
        snapshots.push(snapshotOf(cluster, progress.done ?? 0));
        if (progress.done === progress.total) finish();
      },
    }).then((started) => {
      cluster = started;
      void started
        .finished()
        .then((code) =>
          code === 0
            ? finish()
            : reject(
                new ClusterError("unexpected", `The benchmark's coordinator ended with exit code ${code}`),
              ),
        );
    }, reject);
  });
  try {
    await trained;
  } finally {
    await cluster?.stop();
  }
  return resultOf(snapshots, batch);
}

function snapshotOf(cluster: LocalCluster, done: number): Snapshot {
  return {
    atMs: performance.now(),
    done,
    coordinator: usageOf(cluster.coordinatorPid),
    nats: usageOf(cluster.natsPid),
    workers: cluster.workerIds.map((id) => usageOf(cluster.workerPid(id))),
  };
}

function resultOf(snapshots: readonly Snapshot[], batch: number): ClusterResult {
  const [first, last] = [snapshots[0], snapshots.at(-1)];
  if (first === undefined || last === undefined || first === last) {
    throw new ClusterError(
      "unexpected",
      "The benchmark saw too little of its training: give it more --steps",
    );
  }
  const samples = (last.done - first.done) * batch;
  const spent = (of: (snapshot: Snapshot) => number): number => of(last) - of(first);
  const coordinator = spent((snapshot) => snapshot.coordinator.cpuSeconds);
  const nats = spent((snapshot) => snapshot.nats.cpuSeconds);
  const workers = spent((snapshot) => snapshot.workers.reduce((sum, usage) => sum + usage.cpuSeconds, 0));
  const all = coordinator + nats + workers;
  return {
    samples_per_second: samples / ((last.atMs - first.atMs) / 1000),
    samples_per_cpu_second: samples / all,
    overhead_cpu_share: (coordinator + nats) / all,
    coordinator_cpu_share: coordinator / all,
    nats_cpu_share: nats / all,
    coordinator_rss_bytes: last.coordinator.rssBytes,
    nats_rss_bytes: last.nats.rssBytes,
    worker_rss_bytes: Math.max(...last.workers.map((usage) => usage.rssBytes)),
  };
}

export type PeerResult = { samples_per_second: number; torch: string } | { skipped: string };

/** PyTorch DDP over gloo, a thread a process; `python` is the first that is there. */
export async function peerRun(setting: BenchSetting, python: string): Promise<PeerResult> {
  if (!existsSync(PEER)) return { skipped: `${PEER} is missing` };
  const { model, batch, steps, workers } = setting;
  const args = [
    PEER,
    "--model",
    model,
    "--batch",
    String(batch),
    "--steps",
    String(steps),
    "--processes",
    String(workers),
  ];
  try {
    const { code, stdout, stderr } = await run(python, args, {}, [SKIPPED]);
    if (code === SKIPPED) return { skipped: lastLine(stderr || stdout) };
    return JSON.parse(lastLine(stdout)) as PeerResult;
  } catch (error) {
    return { skipped: error instanceof Error ? error.message : String(error) };
  }
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}

/** Runs a program to its end. Rejects on an exit code that is neither 0 nor in `accept`, and after the time limit. */
function run(
  program: string,
  args: readonly string[],
  environment: Record<string, string>,
  accept: readonly number[] = [],
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: LIMIT_MS,
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (data: Buffer) => (stdout += data.toString()));
    child.stderr.on("data", (data: Buffer) => (stderr += data.toString()));
    child.on("error", (cause) =>
      reject(new ClusterError("dependency", `Cannot run ${program}: ${cause.message}`, { cause })),
    );
    child.on("close", (code) => {
      if (code === 0 || accept.includes(code ?? -1)) resolve({ code: code ?? -1, stdout, stderr });
      else
        reject(
          new ClusterError(
            "unexpected",
            `${program} ended with exit code ${String(code)}: ${lastLine(stderr)}`,
          ),
        );
    });
  });
}
