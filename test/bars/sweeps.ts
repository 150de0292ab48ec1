/** What a sweep costs, and what it withstands: thousands of trials through real processes. */
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalCluster } from "../../deploy/local/cluster.js";
import { realClock } from "../../shared/io/real-clock.js";
import { readJsonLines } from "../../shared/io/json-lines.js";
import type { saf } from "../../shared/messages.js";
import type { SweepLine } from "../../shared/records/sweep-line.js";
import { type PoolInput, poolSchema } from "../../shared/config/pool.js";
import { randomNumbers } from "../support/draws.js";
import { programs } from "../support/cluster.js";
import { type Bar, passed, quantile } from "./pools.js";

/** Clock ticks of /proc in a second. */
const TICKS = 100;

/** CPU seconds of a process and all its threads, so far. */
function cpuSeconds(pid: number | undefined): number {
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

function residentMib(pid: number | undefined): number {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1] ?? NaN) / 1024;
}

export interface SweepSetting {
  workers: number;
  pool?: PoolInput;
  spec: object;
  out: string;
  onProgress?: (progress: saf.v1.SweepProgress.$Properties, local: LocalCluster) => void;
  restartCoordinator?: boolean;
}

/** Resolves with the exit code; `during` goes on meanwhile, and its end is waited for. */
async function conducted(
  { workers, pool, spec, out, onProgress, restartCoordinator = false }: SweepSetting,
  during: (local: LocalCluster, isOver: () => boolean) => Promise<void> = () => Promise.resolve(),
): Promise<number> {
  const { nats, cacheDir } = await programs();
  await mkdir(out, { recursive: true });
  const file = join(out, "..", `${out.split("/").at(-1)}.yaml`);
  await writeFile(file, JSON.stringify(spec));
  const started: { local?: LocalCluster } = {};
  let isOver = false;
  const local = await LocalCluster.start({
    ...{ nats, workers, out, cacheDir, restartCoordinator, clock: realClock },
    engine: "emulated",
    workerEnvironment: {},
    coordinatorArguments: ["--sweep", file, "--out", out],
    pool: poolSchema.parse({ heartbeat_ms: 250, min_workers: workers, compute_ms: 0, ...pool }),
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

const finished = ({ counts }: saf.v1.SweepProgress.$Properties): number =>
  (counts?.done ?? 0) + (counts?.stopped ?? 0) + (counts?.failed ?? 0);

async function withFolder<Value>(use: (folder: string) => Promise<Value>): Promise<Value> {
  const folder = await mkdtemp(join(tmpdir(), "saf-bar-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const tiny = (train: object = {}): object => ({
  engine: "emulated",
  model: "plain",
  network: { channels: [1, 1, 1] },
  train: { batch_size: 1, slots: 1, epochs: 1, max_steps: 1, ...train },
  // The fewest images, and no pictures of anything.
  evaluate: { kinds: ["clean"], clean_images: 10, diagnostics: false },
});

const SEEDS = { range: [0, 4_000_000_000], type: "int" };

/** Trials that do next to nothing: what is left is what a trial costs. */
export const trials: Bar = async ({ trials: count = 10_000, workers: crew = 2, mark = 1000 }) =>
  withFolder(async (folder) => {
    const spec = {
      name: "noop",
      // An epoch of a few images: to put 60,000 in order is work.
      base: tiny({ limit_images: 10 }),
      parameters: { seed: SEEDS },
      search: { method: "random" },
      limits: { trials: count },
      keep_weights: 0,
    };
    const marks: { done: number; cpu: number; by: object; mib: number; ms: number }[] = [];
    const code = await conducted({
      ...{ workers: crew, spec, out: join(folder, "noop") },
      onProgress: (progress, local) => {
        const done = finished(progress);
        if (done < mark * marks.length && done < count) return;
        const workers = local.workerIds.map((id) => cpuSeconds(local.workerPid(id)));
        const by = {
          coordinator: cpuSeconds(local.coordinatorPid),
          nats: cpuSeconds(local.natsPid),
          workers,
        };
        const cpu = by.coordinator + by.nats + workers.reduce((sum, seconds) => sum + seconds, 0);
        marks.push({ done, cpu, by, mib: residentMib(local.coordinatorPid), ms: performance.now() });
        process.stderr.write(`${JSON.stringify(marks.at(-1))}\n`);
      },
    });
    const [first, second] = marks;
    const [last, before] = [marks.at(-1), marks.at(-2)];
    const middle = marks[Math.floor(marks.length / 2)];
    if (!first || !second || !last || !before || !middle) return { code, bar: "", isMet: false };
    const each = (a: typeof first, b: typeof first): number => (1000 * (b.cpu - a.cpu)) / (b.done - a.done);
    const msEach = each(second, last);
    const growth = each(before, last) / each(first, second);
    const memory = last.mib / middle.mib;
    return {
      ...{ code, trials: last.done, msEach, growth, memory, marks },
      perSecond: (1000 * (last.done - second.done)) / (last.ms - second.ms),
      bar: "< 5 ms CPU a trial, growth <= 1.2, memory within 10 %",
      isMet: code === 0 && msEach < 5 && growth <= 1.2 && memory < 1.1,
    };
  });

/** What counts of a journal: each trial's last result. */
async function leaderboard(
  out: string,
): Promise<{ results: Map<string, string>; twice: string[]; trials: number }> {
  const lines = await readJsonLines<SweepLine>(join(out, "sweep.jsonl"));
  const results = new Map<string, string>();
  const twice: string[] = [];
  const trialIds = new Set<string>();
  for (const line of lines) {
    if (line.kind === "trial") trialIds.add(line.trial);
    if (line.kind !== "result") continue;
    const key = `${line.trial}/${line.rung}`;
    if (results.has(key)) twice.push(key);
    // The loss is a running mean since the process began.
    const metrics = Object.entries(line.metrics).filter(([name]) => name !== "loss");
    results.set(key, JSON.stringify([line.weights, metrics, line.samples]));
  }
  return { results, twice, trials: trialIds.size };
}

/** Coordinator, nats-server and workers are killed at random; the sweep comes to what the calm one came to. */
export const sweepKills: Bar = async ({ trials: count = 2000, rounds = 10, seed = 1, everyMs = 1500 }) =>
  withFolder(async (folder) => {
    const specOf = (round: number): object => ({
      name: "kills",
      base: tiny({ max_steps: 4 }),
      parameters: { seed: SEEDS },
      search: { method: "random", seed: seed + round },
      limits: { trials: count },
      keep_weights: 0,
    });
    const wrong: string[] = [];
    let kills = 0;
    for (let round = 0; round < rounds; round++) {
      const random = randomNumbers(1000 * (seed + round));
      const pool = { compute_ms: 1 };
      const calm = join(folder, `calm-${round}`);
      await conducted({ workers: 2, spec: specOf(round), out: calm, pool });
      const out = join(folder, `kills-${round}`);
      const setting = { workers: 2, spec: specOf(round), out, pool, restartCoordinator: true };
      const code = await conducted(setting, async (local, isOver) => {
        // A process that dies again and again without success is given up: a kill now and then.
        while (!isOver()) {
          await passed(everyMs / 2 + random(everyMs));
          const draw = random(100);
          const id = `worker-${1 + random(2)}`;
          const pid = draw < 50 ? local.workerPid(id) : draw < 80 ? local.coordinatorPid : local.natsPid;
          if (isOver() || pid === undefined) continue;
          try {
            process.kill(pid, "SIGKILL");
            kills++;
          } catch {
            // It is between two processes.
          }
        }
      });
      const [one, other] = [await leaderboard(calm), await leaderboard(out)];
      const differing = [...one.results].filter(([key, value]) => other.results.get(key) !== value);
      const isRight =
        code === 0 &&
        one.trials === count &&
        other.trials === count &&
        other.twice.length === 0 &&
        differing.length === 0;
      const words = `seed ${seed + round}: exit ${code}, ${other.trials} trials, ${other.twice.length} twice, ${differing.length} differ`;
      if (!isRight) wrong.push(words);
      process.stderr.write(`${isRight ? "ok   " : "WRONG"} ${words}; ${kills} kills so far\n`);
    }
    return {
      rounds,
      kills,
      wrong,
      seed,
      bar: "0 lost, 0 twice, the calm sweep's results",
      isMet: wrong.length === 0,
    };
  });

/** Trials of unequal length on four workers. */
export const unequal: Bar = async ({
  trials: count = 100,
  workers = 4,
  compute = 10,
  rounds = 1,
  seed = 1,
}) =>
  withFolder(async (folder) => {
    const random = randomNumbers(seed);
    const ratios: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const lengths = Array.from({ length: count }, () => 20 + random(180));
      const spec = {
        name: "unequal",
        base: tiny({ epochs: 10_000, max_steps: 1 }),
        list: lengths.map((steps, i) => ({ "train.max_steps": steps, seed: i })),
        keep_weights: 0,
      };
      let beganMs = 0;
      const out = join(folder, `unequal-${round}`);
      const onProgress = (): void => {
        if (beganMs === 0) beganMs = performance.now();
      };
      const code = await conducted({ ...{ workers, spec, out, onProgress }, pool: { compute_ms: compute } });
      const lines = await readJsonLines<SweepLine>(join(out, "sweep.jsonl"));
      const times = lines.map(({ time }) => time);
      const wall = Math.max(...times) - Math.min(...times);
      const work = (lengths.reduce((sum, steps) => sum + steps, 0) * compute) / 1000;
      ratios.push(code === 0 ? wall / (work / workers) : Infinity);
      process.stderr.write(`wall ${wall.toFixed(1)} s, ideal ${(work / workers).toFixed(1)} s\n`);
    }
    const ratio = quantile(ratios, 0.5);
    return { ratios, ratio, seed, bar: "wall ÷ ideal <= 1.1", isMet: ratio <= 1.1 };
  });
