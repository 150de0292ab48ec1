/** What a sweep costs, and what it withstands: thousands of trials through real processes. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LocalCluster } from "../../deploy/local/cluster.js";
import { readJsonLines } from "../../shared/io/json-lines.js";
import type { saf } from "../../shared/messages.js";
import type { SweepLine } from "../../shared/records/sweep-line.js";
import { randomNumbers } from "../support/draws.js";
import { type Bar, passed, quantile } from "./pools.js";
import { SEEDS, conducted, cpuSeconds, residentMib, tiny, withFolder } from "./sweep-pool.js";

const finished = ({ counts }: saf.v1.SweepProgress.$Properties): number =>
  (counts?.done ?? 0) + (counts?.stopped ?? 0) + (counts?.failed ?? 0);

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

/** One that dies more often within ten minutes is not started again, and nobody promises that it is. */
const KILLS_OF_ONE = 4;

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
        const killed = new Map<string, number>();
        while (!isOver()) {
          await passed(everyMs / 2 + random(everyMs));
          const draw = random(100);
          const id = `worker-${1 + random(2)}`;
          const who = draw < 50 ? id : draw < 80 ? "coordinator" : "nats-server";
          const pid =
            who === id ? local.workerPid(id) : who === "coordinator" ? local.coordinatorPid : local.natsPid;
          const before = killed.get(who) ?? 0;
          if (isOver() || pid === undefined || (who !== id && before >= KILLS_OF_ONE)) continue;
          killed.set(who, before + 1);
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

/** Lease seconds so far, by account. */
async function leaseSeconds({ page }: LocalCluster): Promise<Map<string, number>> {
  if (page === undefined) return new Map();
  const text = await fetch(new URL("metrics", page)).then((answer) => answer.text());
  const lines = text.matchAll(/^saf_lease_seconds_total\{account="([^"]*)"\} (\S+)$/gm);
  return new Map([...lines].map(([, account = "", value]) => [account, Number(value)]));
}

/** More of it than two workers do in the time. */
const EVALUATION = {
  protocol: "modern",
  strengths: [0.1, 0.2, 0.3],
  attacks: [{ attack: "pgd", options: { steps: 200 }, name: "pgd" }],
  images: 10_000,
  clean_images: 10,
  diagnostics: false,
};

/** Two sweeps, one of which has twice the share, and an evaluation at once, on two workers. */
export const shares: Bar = async ({ seconds = 70, warm = 10, compute = 10, steps = 20 }) =>
  withFolder(async (folder) => {
    const asked: Record<string, number> = { "sweep double": 2, "sweep single": 1, runs: 1 };
    const specOf = (name: string, share: number): object => ({
      ...{ name, share, keep_weights: 0 },
      base: tiny({ epochs: 10_000, max_steps: steps }),
      parameters: { seed: SEEDS },
      search: { method: "random" },
      limits: { trials: 100_000 },
    });
    const [single, run] = [join(folder, "single.yaml"), join(folder, "run.yaml")];
    await writeFile(single, JSON.stringify(specOf("single", 1)));
    const measured = { name: "measured", ...tiny(), evaluate: EVALUATION };
    await writeFile(run, JSON.stringify(measured));
    const had = { before: new Map<string, number>(), after: new Map<string, number>() };
    const setting = {
      ...{ workers: 2, spec: specOf("double", 2), out: join(folder, "double") },
      beside: ["--sweep", single, "--run", run],
      pool: { compute_ms: compute },
    };
    const code = await conducted(setting, async (local, isOver) => {
      const areAllThere = async (): Promise<boolean> => {
        const found = await leaseSeconds(local).catch(() => new Map<string, number>());
        return Object.keys(asked).every((account) => (found.get(account) ?? 0) > 0);
      };
      while (!isOver() && !(await areAllThere())) await passed(250);
      await passed(1000 * warm);
      had.before = await leaseSeconds(local);
      await passed(1000 * seconds);
      had.after = await leaseSeconds(local);
      local.interrupt();
    });
    const spent = Object.keys(asked).map((account) => ({
      account,
      seconds: (had.after.get(account) ?? NaN) - (had.before.get(account) ?? NaN),
    }));
    const all = spent.reduce((sum, one) => sum + one.seconds, 0);
    const parts = Object.values(asked).reduce((sum, share) => sum + share, 0);
    const got = spent.map(({ account, seconds: held }) => {
      const [wanted, share] = [(asked[account] ?? NaN) / parts, held / all];
      return { account, wanted, share, ratio: share / wanted };
    });
    const isMet = got.every(({ ratio }) => Math.abs(ratio - 1) <= 0.1);
    return { code, seconds, got, bar: "shares of lease seconds within 10 % of what was asked", isMet };
  });
