/** How long `saf evaluate` of a trained run takes, from the moment the last worker has joined to the last result. */
import { cpSync, readFileSync, rmSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PERTURBATION_KINDS } from "../../shared/results.js";
import { temporaryFolder } from "../local/places.js";
import type { Evaluation, Measured } from "./core/contenders.js";
import { type Ground, engineVariables } from "./ground.js";
import { engineIn } from "./engine-in.js";
import { runProgram } from "./run-program.js";

const SAF = fileURLToPath(new URL("../cli/main.js", import.meta.url));
const MEASURED = ["eval", "plots", "report.html", "result.json", "results.json", "log.jsonl"];
const LIMIT_MS = 3_600_000;
/** Enough that attacks find a network which knows something. */
const TRAINED_STEPS = 400;

export interface EvaluationRun {
  workers: number;
  images: number;
  protocol: string;
  budget?: string;
  environment?: Record<string, string>;
}

export interface EvaluationTime {
  seconds: number;
  /** Who computed. */
  by: string;
}

/** `run` is not touched: a copy of it is measured. */
export async function timedEvaluation(
  run: string,
  { workers, images, protocol, budget, environment = {} }: EvaluationRun,
): Promise<EvaluationTime> {
  const scratch = await temporaryFolder("saf-bench-");
  try {
    const copy = join(scratch, "run");
    cpSync(run, copy, { recursive: true });
    for (const entry of MEASURED) rmSync(join(copy, entry), { recursive: true, force: true });
    const args = [
      ...[SAF, "evaluate", copy, "--workers", String(workers), "--images", String(images)],
      ...["--protocol", protocol, ...(budget === undefined ? [] : ["--budget", budget])],
      ...["--json", "--progress", "none", "--set", `pool.min_workers=${workers}`],
      // Whatever the run itself was to measure.
      ...["--set", `evaluate.kinds=[${PERTURBATION_KINDS.join(",")}]`],
    ];
    await runProgram(process.execPath, { args, environment, limitMs: LIMIT_MS });
    const written = statSync(join(copy, "eval/results.jsonl")).mtimeMs / 1000;
    const seconds = written - lastJoined(join(copy, "log.jsonl"));
    return { seconds, by: engineIn(join(copy, "logs")) };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function lastJoined(log: string): number {
  const joined = readFileSync(log, "utf8")
    .split("\n")
    .filter((line) => line.includes(" joined"))
    .map((line) => Date.parse((JSON.parse(line) as { time: string }).time) / 1000);
  if (joined.length === 0) throw new Error(`${log} tells of no worker that joined`);
  return Math.max(...joined);
}

export async function measureEvaluation(
  ground: Ground,
  run: string,
  { workers, images, protocol, mode }: Evaluation,
): Promise<Measured> {
  const { seconds, by } = await timedEvaluation(run, {
    ...{ workers, images, protocol },
    ...(protocol === "modern" ? { budget: "standard" } : {}),
    environment: engineVariables(ground, mode),
  });
  return { figures: { seconds, seconds_per_image: seconds / images }, by };
}

/** Something to measure, in a folder that the caller removes. */
export async function trainSubject(
  ground: Ground,
  folder: string,
  { data, model, workers }: { data: string; model: string; workers: number },
): Promise<string> {
  const settings = [
    ...[`model=${model}`, `data.set=${data}`, `train.max_steps=${TRAINED_STEPS}`],
    ...["evaluate.kinds=[clean]", "evaluate.images=100"],
  ];
  const args = [
    ...[SAF, "train", "--runs", folder, "--workers", String(workers), "--progress", "none"],
    ...settings.flatMap((setting) => ["--set", setting]),
  ];
  await runProgram(process.execPath, { args, environment: engineVariables(ground, undefined) });
  return join(folder, "latest");
}
