/** Pools with the emulated engine, for measurements: a slot takes its time and no core. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { PoolInput } from "../../shared/config/pool.js";
import type { StepPlan } from "../../shared/core/schedule.js";
import { ledgerFault } from "../../coordinator/runs/ledger-proof.js";
import { type ClusterSetting, type TestCluster, ledgerOf, startCluster } from "../support/cluster.js";

/** More steps than any measurement takes. */
const NO_END = 1_000_000;
const MOST_EPOCHS = 10_000;
const IMAGES = 60_000;
/** Divides the images: the last step of an epoch has as many slots as the others. */
const BATCH = 96;

export interface PoolSetting extends Pick<ClusterSetting, "open" | "route"> {
  workers: number;
  slots: number;
  pool: PoolInput;
  steps?: number;
  seed?: number;
  restartCoordinator?: boolean;
  isAttacked?: boolean;
  /** What is started besides, before the first step is waited for. */
  start?: (cluster: TestCluster) => Promise<void>;
}

export const planOf = ({ slots }: { slots: number }): StepPlan => ({
  images: IMAGES,
  batchSize: BATCH,
  slots,
  epochs: MOST_EPOCHS,
});

/** Measures with the options that were given, and says whether its bar is met. */
export type Bar = (options: Record<string, number>) => Promise<{ bar: string; isMet: boolean }>;

/** Calls `measure` with a pool that has trained its first steps; ends everything afterwards. */
export async function withPool<Value>(
  setting: PoolSetting,
  measure: (cluster: TestCluster) => Promise<Value>,
): Promise<Value> {
  const ends: (() => Promise<void>)[] = [];
  try {
    const { workers, slots, steps, seed = 0, open, route, isAttacked = false } = setting;
    const cluster = await startCluster(
      { after: (end) => ends.push(end) },
      {
        ...{ workers, open },
        isEmulated: true,
        isAttacked,
        pool: { heartbeat_ms: 1000, ...setting.pool },
        ...(setting.restartCoordinator === undefined
          ? {}
          : { restartCoordinator: setting.restartCoordinator }),
        ...(route === undefined ? {} : { route }),
        config: {
          engine: "emulated",
          model: "mrelu-r",
          seed,
          train: {
            lease: "step",
            batch_size: BATCH,
            slots,
            // Nothing but steps: a measurement of steps must not meet another phase.
            ...{ epochs: MOST_EPOCHS, max_steps: steps ?? NO_END, evaluate_every_epochs: 0 },
          },
        },
      },
    );
    await setting.start?.(cluster);
    await cluster.untilStep(3);
    return await measure(cluster);
  } finally {
    for (const end of ends) await end();
  }
}

export const passed = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Steps a second over so many seconds from now on. */
export async function speedOf(cluster: TestCluster, seconds: number): Promise<number> {
  const [before, beganMs] = [cluster.step, performance.now()];
  await passed(1000 * seconds);
  return (1000 * (cluster.step - before)) / (performance.now() - beganMs);
}

/** Ends the run as Ctrl-C does, and returns what its ledger does not prove; undefined: every image once. */
export async function endedLedgerFault(cluster: TestCluster, slots: number): Promise<string | undefined> {
  cluster.local.interrupt();
  await cluster.finished();
  const { step } = cluster.checkpoint();
  const lines = ledgerOf(cluster.out) as Parameters<typeof ledgerFault>[0];
  if (lines.length !== step) return `${lines.length} records of ${step} steps`;
  return ledgerFault(lines, planOf({ slots }), step);
}

/** Steps in the ledger of a run that goes on: its last line may be half written. */
export function recordedSteps(out: string): number {
  const file = join(out, "ledger.jsonl");
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 1 : 0;
}

export const quantile = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? NaN;
};
