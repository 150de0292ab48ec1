/** Interleaved rounds: every contender once a round, in an order that rotates. */
import { rm } from "node:fs/promises";
import { loadavg } from "node:os";
import { wordsOf } from "../../shared/errors.js";
import { temporaryFolder } from "../local/places.js";
import { measureBare } from "./bare-loops.js";
import { clusterOnHosts } from "./cluster-hosts.js";
import { clusterRun, settingsOf } from "./cluster-run.js";
import { type Contender, type Outcome, isSkipped, nameOf, rotated } from "./core/contenders.js";
import type { Run } from "./core/report.js";
import { measureEvaluation, trainSubject } from "./evaluation.js";
import type { Ground } from "./ground.js";
import { measureAutoAttack, measureTorch } from "./torch.js";

export interface RoundsOptions {
  rounds: number;
  /** Of the run that evaluations measure, where one must be trained. */
  subject: { data: string; model: string; workers: number };
  progress: (line: string) => void;
}

export async function runRounds(
  ground: Ground,
  contenders: readonly Contender[],
  { rounds, subject, progress }: RoundsOptions,
): Promise<Run[]> {
  // What is wrong with a setting must not come out after an hour of rounds.
  for (const contender of contenders) if (contender.kind === "cluster") await settingsOf(contender);
  const folder = await temporaryFolder("saf-bench-");
  try {
    const needsRun = contenders.some(({ kind }) => kind === "evaluation");
    if (needsRun && ground.trained === undefined) progress("training a network that can be measured");
    const trained = ground.trained ?? (needsRun ? await trainSubject(ground, folder, subject) : undefined);
    const runs: Run[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const contender of rotated(contenders, round)) {
        const run = await oneRun({ ...ground, trained }, contender, round, runs);
        runs.push(run);
        progress(`round ${round + 1} of ${rounds}: ${runWords(run)}`);
      }
    }
    return runs;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function oneRun(
  ground: Ground,
  contender: Contender,
  round: number,
  before: readonly Run[],
): Promise<Run> {
  const name = nameOf(contender);
  const [load_before = 0] = loadavg();
  // What was not there in one round will not be there in the next.
  const known = before.find((run) => run.contender === name && isSkipped(run.outcome));
  const outcome = known?.outcome ?? (await outcomeOf(ground, contender).catch(failed));
  return { round: round + 1, contender: name, load_before, outcome };
}

/** One that fails leaves its own rows without a ratio, and the others what they have. */
function failed(error: unknown): Outcome {
  return { skipped: `it failed: ${wordsOf(error)}` };
}

async function outcomeOf(ground: Ground, contender: Contender): Promise<Outcome> {
  switch (contender.kind) {
    case "bare":
      return measureBare(ground, contender);
    case "cluster":
      return contender.hosts > 1
        ? clusterOnHosts(ground, contender)
        : (await clusterRun(ground, contender)).measured;
    case "torch":
      return measureTorch(ground, contender);
    case "evaluation":
      return ground.trained === undefined
        ? { skipped: "there is no trained run" }
        : measureEvaluation(ground, ground.trained, contender);
    case "autoattack":
      return measureAutoAttack(ground, contender);
  }
}

function runWords({ contender, outcome }: Run): string {
  if (isSkipped(outcome)) return `${contender} is left out: ${outcome.skipped}`;
  const { samples_per_second: speed, samples_per_cpu_second: perCpu, seconds } = outcome.figures;
  if (seconds !== undefined) return `${contender}: ${seconds.toFixed(1)} s`;
  return `${contender}: ${speed?.toFixed(0)} images/s, ${perCpu?.toFixed(0)} per CPU second`;
}
