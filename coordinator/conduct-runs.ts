/** Several runs on one pool: so many at a time, each in a folder of its own; one that fails does not stop the others. */
import { basename, join } from "node:path";
import { rm } from "node:fs/promises";
import type { Config } from "../shared/config.js";
import { stepsPerEpoch } from "../shared/core/schedule.js";
import { ClusterError, type ErrorCode, exitCodeOf } from "../shared/errors.js";
import type { Metrics } from "../shared/io/metrics-registry.js";
import { resolveRun, stepPlan } from "../shared/resolve.js";
import { type RunContext, type RunObserver, type RunOutcome, conductRun } from "./conduct-run.js";
import type { Coordinator } from "./coordinator.js";
import type { EventPublisher, RunEvents } from "./events.js";
import type { PartitionedDataset } from "./io/datasets/dataset.js";
import { RunDirectory, type RunStatus } from "./io/run-directory.js";

export interface RunsContext extends Pick<RunContext, "signal" | "clock" | "broadcast" | "epoch"> {
  options: { configs: readonly Config[]; out: string; evaluateOnly: boolean; sideBySide: number };
  coordinator: Coordinator;
  dataset: PartitionedDataset;
  events: EventPublisher;
  metrics: Metrics;
  /** Versions and machine, for env.json. */
  environment: () => Record<string, string>;
}

export interface RunFailure {
  code: ErrorCode;
  message: string;
  exit_code: number;
}

export type Ended =
  { name: string; outcome: RunOutcome; directory: RunDirectory } | { name: string; failure: RunFailure };

/** In the order of the settings; runs that were not begun when the signal came are missing. The error of an only run is thrown. */
export async function conductRuns(context: RunsContext): Promise<Ended[]> {
  const { configs, sideBySide } = context.options;
  const ended: (Ended | undefined)[] = configs.map(() => undefined);
  let begun = 0;
  let active = 0;
  const lane = async (): Promise<void> => {
    while (begun < configs.length && !context.signal.aborted) {
      const at = begun++;
      active++;
      ended[at] = await endOf(context, configs[at] as Config, () => active);
      active--;
    }
  };
  await Promise.all(Array.from({ length: Math.min(sideBySide, configs.length) }, lane));
  return ended.filter((run) => run !== undefined);
}

async function endOf(context: RunsContext, config: Config, runsSideBySide: () => number): Promise<Ended> {
  const { options, events } = context;
  const name = config.name ?? config.model;
  const isOnly = options.configs.length === 1;
  const directory = new RunDirectory(isOnly ? options.out : join(options.out, name));
  const told = events.ofRun(runIdOf(options.out, name), name);
  try {
    told.phase("loading", "");
    await directory.create();
    // Of an attempt before this one.
    await rm(directory.file("error.json"), { force: true });
    const outcome = await oneRun(context, config, directory, told, runsSideBySide);
    if (!outcome.interrupted) told.result(outcome.result);
    told.finished(outcome.interrupted);
    return { name, outcome, directory };
  } catch (error) {
    const failure = failureOf(error);
    told.failed(error);
    if (isOnly) throw error;
    await recordFailure(directory, failure, error).catch(() => undefined);
    return { name, failure };
  }
}

function failureOf(error: unknown): RunFailure {
  return {
    code: error instanceof ClusterError ? error.code : "unexpected",
    message: error instanceof Error ? error.message : String(error),
    exit_code: exitCodeOf(error),
  };
}

async function recordFailure(directory: RunDirectory, failure: RunFailure, error: unknown): Promise<void> {
  await directory.writeJson("error.json", {
    ...failure,
    hint: error instanceof ClusterError ? (error.hint ?? null) : null,
    stack: error instanceof Error ? (error.stack ?? null) : null,
    time: new Date().toISOString(),
  });
  const status = await directory.readJson<RunStatus>("status.json").catch(() => undefined);
  if (status !== undefined)
    await directory.writeJson("status.json", { ...status, state: "failed", exit_code: failure.exit_code });
}

async function oneRun(
  context: RunsContext,
  config: Config,
  directory: RunDirectory,
  events: RunEvents,
  runsSideBySide: () => number,
): Promise<RunOutcome> {
  const { options, coordinator, dataset, epoch, signal, clock, broadcast, environment } = context;
  await directory.writeJson("env.json", environment());
  const outcome = await conductRun({
    coordinator,
    dataset,
    directory,
    runId: runIdOf(options.out, config.name ?? config.model),
    config,
    epoch,
    signal,
    clock,
    broadcast,
    runsSideBySide,
    observer: observerOf(context, config, events),
    evaluateOnly: options.evaluateOnly,
  });
  // Once more: workers may have joined on the way.
  await directory.writeJson("env.json", environment());
  return outcome;
}

function observerOf(
  { dataset, metrics, options }: RunsContext,
  config: Config,
  events: RunEvents,
): RunObserver {
  const run = resolveRun(config);
  const plan = stepPlan(config, run, dataset.dataset.train.labels.length);
  const labels = { run: run.name };
  /** Steps done as last told: a lease's own report runs ahead of its commits. */
  let shown = 0;
  const tell = (done: number, total: number, loss: number, accuracy: number): void => {
    shown = done;
    events.trained(done, { total, perEpoch: stepsPerEpoch(plan), samples: plan.batchSize }, loss, accuracy);
  };
  return {
    opened: (done, total, before) => {
      const { seed, network, train } = run;
      const length = { done, total, epochs: total / stepsPerEpoch(plan), batchSize: train.batchSize };
      events.opened({ ...length, network: network.name, dataSet: config.data.set, seed }, before);
    },
    measured: (checkpoint, records) => events.measured(checkpoint, records),
    phase: (name, detail) => events.phase(name, detail),
    advanced: tell,
    committed: (step, total) => {
      const done = step.step + 1;
      if (done >= shown) tell(done, total, step.loss, step.hits / step.samples);
      events.learningRate(step.learningRate);
      metrics.add("steps", 1, labels);
      metrics.add("samples", step.samples, labels);
      metrics.set("parameterVersion", done, labels);
      metrics.set("runProgress", done / total, labels);
      metrics.set("loss", step.loss, labels);
      metrics.set("learningRate", step.learningRate, labels);
      metrics.observe("barrierSeconds", step.barrierMs / 1000);
      metrics.observe("stepSeconds", step.seconds);
      for (const block of step.blocks) {
        metrics.add("workerSamples", (step.samples * block.count) / plan.slots, { worker: block.worker });
      }
    },
    evaluating: (progress) => {
      const { done, total } = progress;
      events.evaluated(progress);
      metrics.set("evaluationTasks", done, { ...labels, state: "done" });
      metrics.set("evaluationTasks", total - done, { ...labels, state: "open" });
    },
    accuracy: (value, step) => {
      events.testAccuracy(step, value);
      metrics.set("accuracy", value, labels);
      events.note("info", `${run.name}: clean accuracy ${(100 * value).toFixed(2)} %`);
    },
    checkpoint: (outcome, seconds) => {
      metrics.add("checkpoints", 1, { outcome });
      metrics.observe("checkpointSeconds", seconds);
      if (outcome === "written") metrics.set("checkpointTime", Date.now() / 1000);
    },
    note: (level, message) =>
      events.note(level, options.configs.length === 1 ? message : `${run.name}: ${message}`),
  };
}

/** The same for every process that works on this folder; letters, digits and dashes. */
function runIdOf(out: string, name: string): string {
  return `${basename(out)
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, "-")}-${name}`;
}
