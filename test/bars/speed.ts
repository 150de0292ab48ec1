/** What slow and dying workers cost: steps a second against a calm pool of the same size, measured one after the other. */
import type { PoolInput } from "../../shared/config/pool.js";
import { randomNumbers } from "../support/draws.js";
import { type Bar, endedLedgerFault, passed, quantile, speedOf, withPool } from "./pools.js";

const WORKERS = 4;

/** Calm and disturbed pools in turns. */
async function shareOfCalm(
  slots: number,
  pool: PoolInput,
  { rounds, seconds }: { rounds: number; seconds: number },
): Promise<{ calm: number[]; disturbed: number[]; share: number }> {
  const calm: number[] = [];
  const disturbed: number[] = [];
  const measured = (settings: PoolInput): Promise<number> =>
    withPool({ workers: WORKERS, slots, pool: settings }, async (cluster) => {
      // The pool knows how fast each of them is by then.
      await passed(15_000);
      return speedOf(cluster, seconds);
    });
  for (let round = 0; round < rounds; round++) {
    calm.push(await measured({ compute_ms: 50 }));
    disturbed.push(await measured(pool));
  }
  return { calm, disturbed, share: quantile(disturbed, 0.5) / quantile(calm, 0.5) };
}

export const slow: Bar = async ({ rounds = 3, seconds = 30 }) => {
  const figures = await shareOfCalm(16, { compute_ms: "worker-1=250,50" }, { rounds, seconds });
  return { ...figures, bar: "share >= 0.75", isMet: figures.share >= 0.75 };
};

/** Each lease beyond any deadline that the others' times would set. */
export const late: Bar = async ({ rounds = 3, seconds = 30, times = 10 }) => {
  const pool = { compute_ms: `worker-1=${50 * times},50`, lease_floor_ms: 50 };
  const figures = await shareOfCalm(64, pool, { rounds, seconds });
  return { ...figures, times, bar: "share >= 0.75", isMet: figures.share >= 0.75 };
};

/** One worker is killed every half minute; it is started again by itself. */
export const goodput: Bar = async ({ rounds = 1, seconds = 180, seed = 1 }) => {
  const random = randomNumbers(seed);
  const every = 30_000;
  const shares: number[] = [];
  const faults: string[] = [];
  for (let round = 0; round < rounds; round++) {
    await withPool({ workers: WORKERS, slots: WORKERS, pool: { compute_ms: 50 } }, async (cluster) => {
      await passed(5000);
      const calm = await speedOf(cluster, seconds / 2);
      const kills = setInterval(() => {
        cluster.signalWorker(`worker-${1 + random(WORKERS)}`, "SIGKILL");
      }, every);
      const disturbed = await speedOf(cluster, seconds);
      clearInterval(kills);
      shares.push(disturbed / calm);
      const fault = await endedLedgerFault(cluster, WORKERS);
      if (fault !== undefined) faults.push(fault);
    });
  }
  const share = quantile(shares, 0.5);
  return { shares, share, faults, seed, bar: "share >= 0.97", isMet: share >= 0.97 && faults.length === 0 };
};

/** From the kill of a worker, at a random moment, to the next commit; and what the ledger says afterwards. */
export const recovery: Bar = async ({ rounds = 50, seed = 1 }) => {
  const random = randomNumbers(seed);
  const times: number[] = [];
  const fault = await withPool(
    { workers: WORKERS, slots: WORKERS, pool: { compute_ms: 50 } },
    async (cluster) => {
      for (let kill = 0; kill < rounds; kill++) {
        // The last one killed is back, and the moment within a step is any.
        // The table is told once a second: behind a kill it is that of before for a while.
        await passed(1500 + random(200));
        await cluster.until("all workers", () => cluster.table.length === WORKERS);
        await passed(random(200));
        const id = `worker-${1 + random(WORKERS)}`;
        const { step } = cluster;
        const killedMs = performance.now();
        cluster.signalWorker(id, "SIGKILL");
        await cluster.untilStep(step + 1);
        // Which step was in work is not known: the second one from here on was not done without the rest.
        const first = performance.now() - killedMs;
        await cluster.untilStep(step + 2);
        times.push(performance.now() - killedMs);
        process.stderr.write(
          `kill ${kill + 1}: ${id}, ${first.toFixed(0)} and ${times.at(-1)?.toFixed(0)} ms\n`,
        );
      }
      return endedLedgerFault(cluster, WORKERS);
    },
  );
  const [median, p95] = [quantile(times, 0.5), quantile(times, 0.95)];
  const isMet = median < 1000 && p95 < 2000 && fault === undefined;
  return {
    kills: times.length,
    median,
    p95,
    fault,
    seed,
    bar: "median < 1 s, p95 < 2 s, no image lost",
    isMet,
  };
};
