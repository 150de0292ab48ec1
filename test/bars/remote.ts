/**
 * Workers of other hosts, as far as the coordinator can tell: they share no memory with it, and nobody says that their
 * process died. From the loss of one, at a random moment, to the next commit.
 */
import { POOL } from "../../deploy/local/cluster.js";
import { workerArguments, workerProcessEnvironment } from "../../deploy/local/command-lines.js";
import { type Program, endPrograms, startProgram } from "../../deploy/local/program.js";
import { MISSED_HEARTBEATS } from "../../coordinator/pool/membership.js";
import { EMULATED } from "../../shared/engine.js";
import { realClock } from "../../shared/io/real-clock.js";
import { randomNumbers } from "../support/draws.js";
import { type TestCluster, programs } from "../support/cluster.js";
import { type Bar, endedLedgerFault, passed, quantile, speedOf, withPool } from "./pools.js";

const WORKERS = Array.from({ length: 4 }, (_, i) => `worker-${i + 1}`);
const HEARTBEAT_MS = 1000;
const COMPUTE_MS = 50;
const CALM_S = 5;

/** `saf worker` as another host would start it. */
async function startWorker({ local, out }: TestCluster, id: string): Promise<Program> {
  const { url, credentials } = local.server;
  const { cacheDir } = await programs();
  const { seedFile } = credentials.worker(id);
  return startProgram({
    name: id,
    args: workerArguments(
      { url, seedFile, pool: POOL, memory: undefined },
      { id, engine: EMULATED, computeMs: COMPUTE_MS, cacheDir, logFile: `${out}/logs/${id}.jsonl` },
    ),
    environment: workerProcessEnvironment(process.env, {}),
    logs: `${out}/logs`,
  });
}

/** Its process dies, or its host falls silent; it comes back afterwards. Milliseconds to the next commit. */
async function lose(
  cluster: TestCluster,
  workers: Map<string, Program>,
  id: string,
  signal: "SIGKILL" | "SIGSTOP",
): Promise<number> {
  const program = workers.get(id);
  const { step } = cluster;
  const lostMs = performance.now();
  program?.kill(signal);
  // Which step was in work is not known: the second one from here on was not done without the rest.
  await cluster.untilStep(step + 2);
  const ms = Math.round(performance.now() - lostMs);
  program?.kill("SIGKILL");
  await program?.exited;
  workers.set(id, await startWorker(cluster, id));
  return ms;
}

export const remote: Bar = async ({ rounds = 20, seed = 1 }) => {
  const random = randomNumbers(seed);
  const workers = new Map<string, Program>();
  const times: number[] = [];
  const pool = { min_workers: WORKERS.length, heartbeat_ms: HEARTBEAT_MS };
  const start = async (cluster: TestCluster): Promise<void> => {
    for (const id of WORKERS) workers.set(id, await startWorker(cluster, id));
  };
  try {
    return await withPool({ workers: 0, slots: WORKERS.length, pool, start }, async (cluster) => {
      const stepMs = 1000 / (await speedOf(cluster, CALM_S));
      for (let round = 0; round < rounds; round++) {
        await cluster.until("all workers", () => cluster.table.length === WORKERS.length);
        await passed(1500 + random(200));
        const id = WORKERS[random(WORKERS.length)] ?? "";
        const signal = random(2) === 0 ? "SIGKILL" : "SIGSTOP";
        times.push(await lose(cluster, workers, id, signal));
        process.stderr.write(`${signal} ${round + 1}: ${id}, ${times.at(-1)} ms\n`);
      }
      const fault = await endedLedgerFault(cluster, WORKERS.length);
      const [median, p95] = [quantile(times, 0.5), quantile(times, 0.95)];
      const most = MISSED_HEARTBEATS * HEARTBEAT_MS + stepMs;
      const bar = "p95 <= three heartbeats and a step, every image once";
      const isMet = p95 <= most && fault === undefined;
      return { losses: times.length, median, p95, most, stepMs, fault, seed, bar, isMet };
    });
  } finally {
    await endPrograms([...workers.values()], realClock);
  }
};
