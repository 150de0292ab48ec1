/** What a cluster used between two moments of its training. */
import type { LocalCluster } from "../local/cluster.js";
import type { Measured } from "./core/contenders.js";
import { type ThreadUsage, type Usage, threadsOf, usageOf } from "./process-usage.js";

export interface Snapshot {
  atMs: number;
  /** Steps committed. */
  done: number;
  coordinator: Usage;
  nats: Usage;
  workers: Usage[];
  /** Where it was asked for: by process, what each of its threads used. */
  threads: ReadonlyMap<string, readonly ThreadUsage[]>;
  /** Bytes that nats-server took in and gave out, and those of training by the coordinator's own count. */
  bytes?: { nats: number; coordinator: TrainingBytes };
}

/** `whole`: with what takes a moment to ask. The rest is read at once. */
export async function snapshotOf(cluster: LocalCluster, done: number, whole: boolean): Promise<Snapshot> {
  const { coordinatorPid, natsPid, workerIds, natsMonitorUrl, page } = cluster;
  const processes = new Map([
    ["coordinator", coordinatorPid],
    ...workerIds.map((id) => [id, cluster.workerPid(id)] as const),
    ["nats-server", natsPid],
  ]);
  const snapshot: Snapshot = {
    atMs: performance.now(),
    done,
    coordinator: usageOf(coordinatorPid),
    nats: usageOf(natsPid),
    workers: workerIds.map((id) => usageOf(cluster.workerPid(id))),
    threads: new Map(whole ? [...processes].map(([name, pid]) => [name, threadsOf(pid)] as const) : []),
  };
  if (!whole) return snapshot;
  const [nats, coordinator] = await Promise.all([brokerBytes(natsMonitorUrl), coordinatorBytes(page)]);
  return { ...snapshot, bytes: { nats, coordinator } };
}

const ASK_MS = 2000;

async function answerOf(url: string): Promise<string> {
  const reply = await fetch(url, { signal: AbortSignal.timeout(ASK_MS) });
  return reply.text();
}

/** NaN where the server does not say. */
async function brokerBytes(monitorUrl: string): Promise<number> {
  try {
    const { in_bytes, out_bytes } = JSON.parse(await answerOf(`${monitorUrl}/varz`)) as Record<
      "in_bytes" | "out_bytes",
      number
    >;
    return in_bytes + out_bytes;
  } catch {
    return NaN;
  }
}

/** By the coordinator's own count of one moment, which may be a little before. */
export interface TrainingBytes {
  /** Of gradients and parameters, both ways; what lies in shared memory is counted too. */
  bytes: number;
  steps: number;
}

const UNTOLD: TrainingBytes = { bytes: NaN, steps: NaN };

async function coordinatorBytes(page: string | undefined): Promise<TrainingBytes> {
  if (page === undefined) return UNTOLD;
  try {
    return trainingBytes(await answerOf(new URL("metrics", page).href));
  } catch {
    return UNTOLD;
  }
}

export function trainingBytes(exposition: string): TrainingBytes {
  const sum = (pattern: RegExp): number =>
    [...exposition.matchAll(pattern)].reduce((total, [, value]) => total + Number(value), 0);
  return {
    bytes: sum(/^saf_wire_bytes_total\{[^}]*kind="(?:gradient|parameters)"[^}]*\} (\S+)$/gm),
    steps: sum(/^saf_optimizer_steps_total\{[^}]*\} (\S+)$/gm),
  };
}

export function clusterFigures(first: Snapshot, last: Snapshot, batch: number): Measured["figures"] {
  const steps = last.done - first.done;
  const spent = (of: (snapshot: Snapshot) => number): number => of(last) - of(first);
  const coordinator = spent((snapshot) => snapshot.coordinator.cpuSeconds);
  const nats = spent((snapshot) => snapshot.nats.cpuSeconds);
  const workers = spent((snapshot) => snapshot.workers.reduce((sum, usage) => sum + usage.cpuSeconds, 0));
  const all = coordinator + nats + workers;
  return {
    samples_per_second: (steps * batch) / ((last.atMs - first.atMs) / 1000),
    samples_per_cpu_second: (steps * batch) / all,
    overhead_cpu_share: (coordinator + nats) / all,
    coordinator_cpu_share: coordinator / all,
    nats_cpu_share: nats / all,
    wire_bytes_per_step: spent(({ bytes }) => bytes?.nats ?? NaN) / steps,
    coordinator_bytes_per_step:
      spent(({ bytes }) => bytes?.coordinator.bytes ?? NaN) /
      spent(({ bytes }) => bytes?.coordinator.steps ?? NaN),
    coordinator_rss_bytes: last.coordinator.rssBytes,
    nats_rss_bytes: last.nats.rssBytes,
    worker_rss_bytes: Math.max(...last.workers.map((usage) => usage.rssBytes)),
  };
}
