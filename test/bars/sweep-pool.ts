/** A pool of real processes that works on sweeps, for measurements. */
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalCluster } from "../../deploy/local/cluster.js";
import { workerEnvironment } from "../../deploy/setup/engine.js";
import { type PoolInput, poolSchema } from "../../shared/config/pool.js";
import { realClock } from "../../shared/io/real-clock.js";
import type { saf } from "../../shared/messages.js";
import { programs } from "../support/cluster.js";

/** Clock ticks of /proc in a second. */
const TICKS = 100;

/** CPU seconds of a process and all its threads, so far. */
export function cpuSeconds(pid: number | undefined): number {
  if (pid === undefined) return 0;
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [user = 0, system = 0] = text
      .slice(text.lastIndexOf(")") + 2)
      .split(" ")
      .slice(11, 13)
      .map(Number);
    return (user + system) / TICKS;
  } catch {
    return 0;
  }
}

export function residentMib(pid: number | undefined): number {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1] ?? NaN) / 1024;
}

export interface SweepSetting {
  workers: number;
  pool?: PoolInput;
  spec: object;
  out: string;
  /** Further sweeps and runs on the pool, as the coordinator is told of them. */
  beside?: readonly string[];
  /** Computes real gradients, on the engine that was set up. */
  isReal?: boolean;
  onProgress?: (progress: saf.v1.SweepProgress.$Properties, local: LocalCluster) => void;
  restartCoordinator?: boolean;
}

/** Resolves with the exit code; `during` goes on meanwhile, and its end is waited for. */
export async function conducted(
  {
    workers,
    pool,
    spec,
    out,
    beside = [],
    isReal = false,
    onProgress,
    restartCoordinator = false,
  }: SweepSetting,
  during: (local: LocalCluster, isOver: () => boolean) => Promise<void> = () => Promise.resolve(),
): Promise<number> {
  const { nats, cacheDir, choice } = await programs();
  await mkdir(out, { recursive: true });
  const file = join(out, "..", `${out.split("/").at(-1)}.yaml`);
  await writeFile(file, JSON.stringify(spec));
  const started: { local?: LocalCluster } = {};
  let isOver = false;
  const local = await LocalCluster.start({
    ...{ nats, workers, out, cacheDir, restartCoordinator, clock: realClock },
    engine: isReal ? choice.engine : "emulated",
    workerEnvironment: isReal ? workerEnvironment(choice) : {},
    coordinatorArguments: ["--sweep", file, ...beside, "--out", out],
    pool: poolSchema.parse({
      heartbeat_ms: 250,
      min_workers: workers,
      ...(isReal ? {} : { compute_ms: 0 }),
      ...pool,
    }),
    onEvent: ({ sweep }) => {
      if (sweep != null && started.local !== undefined) onProgress?.(sweep, started.local);
    },
    onNote: (message) => process.stderr.write(`${message}\n`),
  });
  started.local = local;
  try {
    const disturbed = during(local, () => isOver);
    const code = await local.finished();
    isOver = true;
    await disturbed;
    return code;
  } finally {
    isOver = true;
    await local.stop();
  }
}

export async function withFolder<Value>(use: (folder: string) => Promise<Value>): Promise<Value> {
  const folder = await mkdtemp(join(tmpdir(), "saf-bar-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export const tiny = (train: object = {}): object => ({
  engine: "emulated",
  model: "plain",
  network: { channels: [1, 1, 1] },
  train: { batch_size: 1, slots: 1, epochs: 1, max_steps: 1, ...train },
  // The fewest images, and no pictures of anything.
  evaluate: { kinds: ["clean"], clean_images: 10, diagnostics: false },
});

export const SEEDS = { range: [0, 4_000_000_000], type: "int" };
