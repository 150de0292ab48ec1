/** Many workers for a long time: nobody is cut off, and no memory grows. */
import { readFileSync } from "node:fs";
import type { TestCluster } from "../support/cluster.js";
import { type Bar, endedLedgerFault, passed, speedOf, withPool } from "./pools.js";

const MIB = 2 ** 20;
/** Samples of memory in a run. */
const SAMPLES = 10;

/** Resident memory of a process without what it shares, in MiB. */
function privateMemory(pid: number | undefined): number {
  if (pid === undefined) return NaN;
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kib = [...text.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB$/gm)].map(([, value]) => Number(value));
  return (kib.reduce((sum, value) => sum + value, 0) * 1024) / MIB;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const sample = (cluster: TestCluster): { coordinator: number; worker: number; nats: number } => ({
  coordinator: privateMemory(cluster.local.coordinatorPid),
  worker: mean(cluster.local.workerIds.map((id) => privateMemory(cluster.local.workerPid(id)))),
  nats: privateMemory(cluster.local.natsPid),
});

/** A second half that is not larger than the first by more than this share is flat. */
const GROWTH = 1.1;

export const many: Bar = async ({ workers = 64, minutes = 10, compute = 500 }) => {
  const pool = { compute_ms: compute, heartbeat_ms: 2000 };
  return withPool({ workers, slots: 64, pool }, async (cluster) => {
    await cluster.until("all workers", () => cluster.table.length === workers);
    const samples: ReturnType<typeof sample>[] = [];
    const speeds: number[] = [];
    for (let i = 0; i < SAMPLES; i++) {
      speeds.push(await speedOf(cluster, (60 * minutes) / SAMPLES));
      samples.push(sample(cluster));
      process.stderr.write(`${JSON.stringify({ stepsPerSecond: speeds.at(-1), ...samples.at(-1) })}\n`);
    }
    await passed(1000);
    const lines = cluster.log().map(({ msg }) => msg);
    const lost = lines.filter((line) => /is lost|left:|overdue|Lost the connection/.test(line));
    const half = SAMPLES / 2;
    const growth = (["coordinator", "worker", "nats"] as const).map(
      (key) =>
        mean(samples.slice(half).map((one) => one[key])) /
        mean(samples.slice(0, half).map((one) => one[key])),
    );
    const fault = await endedLedgerFault(cluster, 64);
    const isMet = lost.length === 0 && fault === undefined && growth.every((share) => share < GROWTH);
    return { samples, speeds, growth, lost, fault, bar: "no disconnect, flat memory", isMet };
  });
};
