/** Sweeps of networks that are really trained, on the engine that was set up. */
import { join } from "node:path";
import { type SweepOnDisk, readSweep } from "../../coordinator/io/sweep-directory.js";
import { analyse } from "../../coordinator/results/sweep/analysis.js";
import { type Estimate, isWithinNoise } from "../../coordinator/results/sweep/estimates.js";
import { resultsOf } from "../../coordinator/sweeps/results-of.js";
import { bareLoops } from "../../deploy/bench/bare-loops.js";
import type { TrialRow } from "../../shared/records/sweep-line.js";
import { programs } from "../support/cluster.js";
import { saf } from "../support/saf.js";
import { type Bar, quantile } from "./pools.js";
import { conducted, cpuSeconds, withFolder } from "./sweep-pool.js";

const attack = (steps: number): object[] => [{ attack: "pgd", options: { steps }, name: "pgd" }];

const BATCH = 50;
/** Trainings end by their steps: networks with flag M have more images in an epoch. */
const ALONE = { slots: 1, epochs: 1000, evaluate_every_epochs: 0 };

interface Winner {
  row: TrialRow;
  estimate: Estimate;
}

/** The first place of the leaderboard. */
function winnerOf(sweep: SweepOnDisk, directory: string): Winner | undefined {
  const [first] = analyse(resultsOf(sweep, directory)).boards[0].standings;
  const estimate = first?.estimates[0];
  return first === undefined || estimate === undefined ? undefined : { row: first.best, estimate };
}

/** The same trials with and without early stopping, judged by the area under the curve of a PGD attack. */
export const asha: Bar = async ({
  trials = 24,
  samples = 18_000,
  images = 300,
  steps = 20,
  workers = 2,
  seed = 1,
}) =>
  withFolder(async (folder) => {
    const stopping = {
      ...{ method: "asha", first_samples: Math.ceil(samples / 9), factor: 3 },
      evaluate: { attacks: attack(5), images: Math.ceil(images / 3) },
    };
    const specOf = (name: string, more: object): object => ({
      name,
      base: {
        train: { batch_size: BATCH, max_steps: Math.ceil(samples / BATCH), ...ALONE },
        evaluate: {
          ...{ protocol: "modern", kinds: ["clean"], strengths: [0, 0.1, 0.2], attacks: attack(steps) },
          ...{ images, clean_images: 1000, diagnostics: false },
        },
      },
      parameters: {
        model: { choice: ["plain", "plain-r-m", "mrelu", "mrelu-r-m"] },
        "train.momentum": { range: [0.5, 0.95] },
        "train.learning_rate": { range: [0.001, 0.05], scale: "log" },
      },
      search: { method: "random", seed },
      limits: { trials },
      objective: "area(pgd)",
      keep_weights: 1,
      ...more,
    });
    const swept = async (name: string, more: object) => {
      const out = join(folder, name);
      const beganMs = performance.now();
      const code = await conducted({ workers, spec: specOf(name, more), out, isReal: true });
      const sweep = await readSweep(out);
      const { samplesSeen, done, stopped, failed } = sweep.book.summary();
      const seconds = (performance.now() - beganMs) / 1000;
      const told = { code, samples: samplesSeen, done, stopped, failed, seconds };
      process.stderr.write(`${name}: ${JSON.stringify(told)}\n`);
      const winner = winnerOf(sweep, out);
      return { ...told, trial: winner?.row.trial, values: winner?.row.values, estimate: winner?.estimate };
    };
    const early = await swept("early", { stopping });
    const whole = await swept("whole", {});
    const fewer = whole.samples / early.samples;
    const [a, b] = [early.estimate, whole.estimate];
    const isAsGood =
      a !== undefined && b !== undefined && (a.value >= b.value || isWithinNoise(a, b) === true);
    // Trials that diverge fail, and a sweep says so by 6.
    const areOver = [early, whole].every(({ code }) => code === 0 || code === 6);
    return {
      ...{ early, whole, fewer, isAsGood, seed },
      bar: "ends; the winner is as good within noise; at least 2 times fewer samples",
      isMet: areOver && isAsGood && fewer >= 2,
    };
  });

/** Settings for trainings of a few seconds. */
const small = (max: number): object => ({
  train: { batch_size: BATCH, max_steps: max, ...ALONE },
  evaluate: { kinds: ["clean"], clean_images: 500, diagnostics: false },
});

/** `saf reproduce` of a sweep's winner, and of a trial of a population that took over another one's weights. */
export const rerun: Bar = async ({ steps = 120, trials = 4, workers = 2, seed = 1 }) =>
  withFolder(async (folder) => {
    const specOf = (name: string, method: string): object => ({
      name,
      base: { model: "mrelu-r-m", ...small(steps) },
      // None diverges: a sweep with a failed trial ends with 6.
      parameters: { "train.learning_rate": { range: [0.002, 0.01], scale: "log" } },
      search: { method: "random", seed },
      limits: { trials },
      objective: "clean",
      stopping: { method, first_samples: Math.ceil((BATCH * steps) / 4), factor: 2, exploit: 0.5 },
    });
    const again = async (name: string, method: string) => {
      const out = join(folder, name);
      const code = await conducted({ workers, spec: specOf(name, method), out, isReal: true });
      const sweep = await readSweep(out);
      const heir = sweep.book
        .rows()
        .findLast(({ parent, rungs }) => parent !== undefined && rungs.length > 0);
      const row = method === "population" ? heir : winnerOf(sweep, out)?.row;
      if (row === undefined) return { name, code, same: false };
      const args = ["reproduce", row.trial, "--sweep", out, "--out", join(folder, `${name}-again`)];
      const run = await saf([...args, "-w", String(workers), "--json"], { cwd: folder, limitMs: 600_000 });
      const document = run.code === 0 ? (JSON.parse(run.stdout) as { reproduced: object }) : undefined;
      const told = { name, code, exit: run.code, trial: row.trial, ...document?.reproduced };
      process.stderr.write(`${JSON.stringify(told)}\n${run.code === 0 ? "" : run.stderr}`);
      return { ...told, same: run.code === 0 };
    };
    const runs = [await again("winner", "asha"), await again("heir", "population")];
    return { runs, seed, bar: "the same hash", isMet: runs.every(({ code, same }) => code === 0 && same) };
  });

/**
 * An exclusive trial beside the bare engine loop. Two trials that differ in their length alone: what starting, warming up and
 * measuring cost is the same for both, and goes out of the difference.
 */
export const exclusive: Bar = async ({ steps = 1500, first = 200, rounds = 3, batch = 100, slots = 4 }) =>
  withFolder(async (folder) => {
    const model = "mrelu-r-m";
    const { choice, nats, cacheDir } = await programs();
    const trained = async (
      name: string,
      lease: string,
      max: number,
    ): Promise<{ cpu: number; weights: string }> => {
      const out = join(folder, name);
      const train = {
        lease,
        slots,
        batch_size: batch,
        max_steps: max,
        epochs: 1000,
        evaluate_every_epochs: 0,
      };
      const evaluate = { kinds: ["clean"], clean_images: 10, diagnostics: false };
      const spec = { name, base: { model, train, evaluate }, list: [{ seed: 0 }], keep_weights: 0 };
      let cpu = NaN;
      await conducted({
        ...{ workers: 1, spec, out, isReal: true, pool: { heartbeat_ms: 1000 } },
        onProgress: ({ counts }, local) => {
          if ((counts?.done ?? 0) === 0 || !Number.isNaN(cpu)) return;
          const pids = [
            local.coordinatorPid,
            local.natsPid,
            ...local.workerIds.map((id) => local.workerPid(id)),
          ];
          cpu = pids.reduce<number>((sum, pid) => sum + cpuSeconds(pid), 0);
        },
      });
      const [row] = (await readSweep(out)).book.rows();
      return { cpu, weights: row?.weights ?? "none" };
    };
    const ratios: number[] = [];
    const hashes = new Set<string>();
    for (let round = 0; round < rounds; round++) {
      const load = { data: "mnist", model, batch, slots, steps, processes: 1 };
      const [bare] = await bareLoops({ choice, nats, cacheDir, python: "python3" }, load);
      const short = await trained(`short-${round}`, "exclusive", first);
      const long = await trained(`long-${round}`, "exclusive", first + steps);
      hashes.add(short.weights);
      const speed = (steps * batch) / (long.cpu - short.cpu);
      ratios.push(speed / (bare?.samples_per_cpu_second ?? NaN));
      process.stderr.write(
        `samples a CPU second: ${speed.toFixed(0)}, bare ${bare?.samples_per_cpu_second.toFixed(0)}\n`,
      );
    }
    const stepwise = await trained("stepwise", "step", first);
    hashes.add(stepwise.weights);
    const ratio = quantile(ratios, 0.5);
    const isSame = hashes.size === 1 && !hashes.has("none");
    return {
      ...{ ratios, ratio, hashes: [...hashes] },
      bar: "samples a CPU second ÷ the bare loop's >= 0.97, the weights of step by step",
      isMet: ratio >= 0.97 && isSame,
    };
  });
