/** The weights do not depend on how many workers there are, nor on who dies, nor on how the bytes travel. */
import { randomNumbers } from "../support/draws.js";
import type { TestCluster } from "../support/cluster.js";
import { type Bar, endedLedgerFault, passed, withPool } from "./pools.js";

const WORKERS = [1, 2, 3, 5, 8];
const SLOTS = 8;
const STEPS = 60;
const KILLS = 4;

/** Kills a worker, the coordinator or nats-server at each of a few drawn steps. */
async function disturb(
  cluster: TestCluster,
  workers: number,
  random: (limit: number) => number,
): Promise<string[]> {
  const done: string[] = [];
  const steps = Array.from({ length: KILLS }, () => 3 + random(STEPS - 10)).sort((a, b) => a - b);
  for (const step of steps) {
    await cluster.until(`step ${step}`, () => cluster.step >= step || cluster.isOver);
    if (cluster.isOver) break;
    await passed(random(20));
    const draw = random(100);
    const id = `worker-${1 + random(workers)}`;
    const what = draw < 60 ? id : draw < 80 ? "coordinator" : "nats-server";
    if (killed(what, cluster)) done.push(`${what} at step ${cluster.step}`);
  }
  return done;
}

/** False: it is between two processes of this name. */
function killed(what: string, { local }: TestCluster): boolean {
  const pid =
    what === "coordinator"
      ? local.coordinatorPid
      : what === "nats-server"
        ? local.natsPid
        : local.workerPid(what);
  try {
    if (pid !== undefined) process.kill(pid, "SIGKILL");
    return pid !== undefined;
  } catch {
    return false;
  }
}

export const hashes: Bar = async ({ rounds = 20, seed = 1, compute = 10 }) => {
  const expected = new Map<number, string>();
  const wrong: string[] = [];
  let runs = 0;
  for (let round = 0; round < rounds; round++) {
    const recipe = seed + round;
    for (const workers of WORKERS) {
      for (const isMapped of [true, false]) {
        const random = randomNumbers(1000 * recipe + 2 * workers + Number(isMapped));
        const pool = { compute_ms: compute, heartbeat_ms: 250, shared_memory: isMapped };
        const setting = { workers, slots: SLOTS, pool, steps: STEPS, seed: recipe, restartCoordinator: true };
        const words = `seed ${recipe}, ${workers} workers, ${isMapped ? "mapped memory" : "NATS alone"}`;
        await withPool(setting, async (cluster) => {
          const done = await disturb(cluster, workers, random);
          await cluster.trained();
          const fault = await endedLedgerFault(cluster, SLOTS);
          const { step, sha256 } = cluster.checkpoint();
          expected.set(recipe, expected.get(recipe) ?? sha256);
          const isRight = step === STEPS && sha256 === expected.get(recipe) && fault === undefined;
          if (!isRight)
            wrong.push(`${words}: step ${step}, ${sha256}, ${fault ?? "ledger ok"}; ${done.join(", ")}`);
          process.stderr.write(
            `${isRight ? "ok   " : "WRONG"} ${words}: ${sha256.slice(0, 12)}; ${done.join(", ")}\n`,
          );
        });
        runs++;
      }
    }
  }
  return {
    runs,
    wrong,
    seed,
    bar: "all weights of a seed identical, every image once",
    isMet: wrong.length === 0,
  };
};
