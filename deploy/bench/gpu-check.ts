/**
 * What is to be known of an engine on a GPU, in under 8 minutes, as one JSON document: `npm run gpu-check -- --help`, and
 * docs/gpu.md. Nothing is fetched: it takes the engine that `saf setup` chose before, or whatever the addon is linked to.
 */
import { availableParallelism, cpus, loadavg } from "node:os";
import { Command, CommanderError, Option } from "commander";
import { DATA_SET_NAMES } from "../../shared/data-set-names.js";
import { REAL_ENGINES, type RealEngine } from "../../shared/engine.js";
import { ClusterError } from "../../shared/errors.js";
import { networkNamed } from "../../shared/networks/registry.js";
import { printResult, reportError } from "../cli/output.js";
import { type EngineChoice, defaultCacheDir, recordedEngine, workerEnvironment } from "../setup/engine.js";
import { inspectGpu } from "../setup/gpu-facts.js";
import { conduct } from "./gpu-check/conduct.js";
import { type CheckOptions, type Mode, measurementsOf } from "./gpu-check/plan.js";
import { type CheckReport, reportOf } from "./gpu-check/report.js";

/** With time for the processes' ends: whoever lends the machine takes it back after 8 minutes. */
const MOST_BUDGET_SECONDS = 460;
const BATCHES = { gpu: [128, 1024, 8192], cpu: [32, 128, 512] };

interface Options {
  engine: RealEngine;
  budget: number;
  seconds: number;
  sets: string[];
  model: string;
  batches?: number[];
  slots: number;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new ClusterError("usage", `"${text}" is not a whole number above zero`);
}

function budgetOf(text: string): number {
  const value = wholeNumber(text);
  if (value <= MOST_BUDGET_SECONDS) return value;
  throw new ClusterError("usage", `--budget ${text} is too long: at most ${MOST_BUDGET_SECONDS} seconds`);
}

function secondsOf(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= MOST_BUDGET_SECONDS) return value;
  throw new ClusterError("usage", `--seconds ${text}: expected more than 0, at most ${MOST_BUDGET_SECONDS}`);
}

function setsOf(text: string): string[] {
  const sets = text.split(",");
  const unknown = sets.find((set) => !DATA_SET_NAMES.some((name) => name === set));
  if (unknown === undefined) return sets;
  throw new ClusterError("usage", `--sets: there is no data set "${unknown}"`, {
    hint: `data sets: ${DATA_SET_NAMES.join(", ")}`,
  });
}

function command(): Command {
  return new Command("gpu-check")
    .description("self-test, equal bits, and speeds of an engine; prints one JSON document")
    .addOption(
      new Option("--engine <name>", "the engine").choices([...REAL_ENGINES]).default("tensorflow-gpu"),
    )
    .option("--budget <seconds>", "for everything; what does not fit is named as left out", budgetOf, 420)
    .option("--seconds <seconds>", "at most for one measurement, besides its start", secondsOf, 12)
    .option("--sets <names>", "data sets whose networks are trained", setsOf, ["mnist", "cifar10"])
    .option("--model <name>", "network", "mrelu-r-m")
    .option("--batches <images>", "images of a step (default: 128,1024,8192; on a CPU 32,128,512)", (text) =>
      text.split(",").map(wholeNumber),
    )
    .option("--slots <count>", "slots of a step", wholeNumber, 1)
    .exitOverride()
    .action(check);
}

async function check(options: Options): Promise<void> {
  const { engine, budget, seconds, sets, model, slots } = options;
  for (const set of sets) networkNamed(set, model);
  const isGpu = engine === "tensorflow-gpu";
  const batches = options.batches ?? (isGpu ? BATCHES.gpu : BATCHES.cpu);
  if (Math.min(...batches) < slots)
    throw new ClusterError("usage", `--slots ${slots} must not exceed the smallest batch`);
  const began = performance.now();
  const gpu = await inspectGpu(process.env);
  const checked: CheckOptions = {
    engine,
    budgetSeconds: budget,
    mostSeconds: seconds,
    sets,
    model,
    batches,
    slots,
  };
  const modes: readonly Mode[] = engine === "wasm" ? ["eager"] : ["compiled", "eager"];
  const outcomes = await conduct(measurementsOf(checked, modes), {
    options: checked,
    env: environmentFor(engine, gpu.card?.name),
    now: () => performance.now() / 1000,
    progress: (line) => void process.stderr.write(`gpu-check: ${line}\n`),
  });
  const report = reportOf(outcomes);
  printResult({
    ...report,
    gpu: isGpu ? gpu : null,
    setting: { engine, budget_seconds: budget, sets, model, batches, slots },
    machine: machine(),
    seconds: (performance.now() - began) / 1000,
  });
  process.exitCode = exitCodeOf(report);
}

/** As a worker of this engine has it; the recorded choice knows where CUDA's libraries are. */
function environmentFor(engine: RealEngine, gpuName: string | undefined): NodeJS.ProcessEnv {
  const recorded = recordedEngine(defaultCacheDir(process.env), process.env);
  const bare: EngineChoice = { engine, version: "", device: "", why: [], environment: {} };
  return {
    ...process.env,
    ...(gpuName === undefined ? {} : { SAF_GPU_NAME: gpuName }),
    ...workerEnvironment(recorded?.engine === engine ? recorded : bare),
  };
}

function machine(): Record<string, string | number> {
  return {
    node: process.version,
    processor: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    load: loadavg()[0] ?? 0,
  };
}

/** 5: the engine is not to be had. 7: its gradients or its bits are wrong, or nothing could be said of them. */
function exitCodeOf({ ok, self_test }: CheckReport): number {
  if (ok) return 0;
  return new ClusterError(self_test.length === 0 ? "dependency" : "quality", "").exitCode;
}

try {
  await command().parseAsync();
} catch (error) {
  if (error instanceof CommanderError)
    process.exitCode = error.exitCode === 0 ? 0 : new ClusterError("usage", "").exitCode;
  else reportError(error);
}
