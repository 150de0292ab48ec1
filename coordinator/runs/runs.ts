/** Several runs on one pool: so many at a time, each in a folder of its own; one that fails does not stop the others. */
import { basename, join, resolve } from "node:path";
import { rm } from "node:fs/promises";
import type { PoolConfig } from "../../shared/config/pool.js";
import type { Config } from "../../shared/config/run.js";
import { stepsPerEpoch } from "../../shared/core/schedule.js";
import { ClusterError, type ErrorCode, exitCodeOf } from "../../shared/errors.js";
import { redact, redactTexts } from "../../shared/redact.js";
import { resolveRun, stepPlan } from "../../shared/resolve.js";
import { type RunBeside, type RunContext, type RunObserver, type RunOutcome, conductRun } from "./run.js";
import type { Coordinator } from "../coordinator.js";
import type { EventPublisher, RunEvents } from "../telemetry/events.js";
import type { DataShelf } from "../io/data-shelf.js";
import type { PartitionedDataset } from "../io/datasets/dataset.js";
import { RunDirectory, type RunStatus } from "../io/run-directory.js";
import type { RunTelemetry, Telemetry } from "../telemetry/telemetry.js";

export interface RunsContext extends Pick<
  RunContext,
  "signal" | "clock" | "broadcast" | "mapped" | "term" | "tracer"
> {
  options: {
    configs: readonly Config[];
    pool: PoolConfig;
    out: string;
    evaluateOnly: boolean;
    sideBySide: number;
  };
  coordinator: Coordinator;
  shelf: DataShelf;
  events: EventPublisher;
  telemetry: Telemetry;
  /** Writes the report of a run that has ended; the others go on meanwhile. */
  report: (directory: RunDirectory, name: string) => Promise<unknown>;
  /** Versions and machine, for env.json. */
  environment: () => Record<string, string>;
}

export interface RunFailure {
  code: ErrorCode;
  message: string;
  exit_code: number;
}

export type Ended =
  | { name: string; dataset: string; outcome: RunOutcome; directory: RunDirectory }
  | { name: string; failure: RunFailure };

/** In the order of the settings; runs that were not begun when the signal came are missing. The error of an only run is thrown. */
export async function conductRuns(context: RunsContext): Promise<Ended[]> {
  const { configs, sideBySide, evaluateOnly } = context.options;
  for (const config of configs) telemetryOf(context, config).state("pending");
  const ended: (Ended | undefined)[] = configs.map(() => undefined);
  const beside = new Map<string, RunBeside>(
    configs.map((config) => [resolve(folderOf(context, config)), { isTrained: false, isOver: false }]),
  );
  // One after another, and behind the runs: a lane goes on with its next run at once.
  let reports: Promise<unknown> = Promise.resolve();
  const conduct = (places: number[], measureOnly: boolean): Promise<void> => {
    const work = async (at: number, runsSideBySide: () => number): Promise<void> => {
      const lap = { beside, evaluateOnly: measureOnly, runsSideBySide };
      const run = await endOf(context, configs[at] as Config, lap);
      ended[at] = run;
      // Runs one after another are shown together at the end; those side by side may be days apart.
      if (sideBySide > 1 && configs.length > 1) reports = reports.then(() => reportOn(context, run));
    };
    return inLanes(sideBySide, places, context.signal, work);
  };
  await conduct([...configs.keys()], evaluateOnly);
  // What could not be measured before another run was trained.
  await conduct(
    [...configs.keys()].filter((at) => isIncomplete(ended[at])),
    true,
  );
  await reports;
  return ended.filter((run) => run !== undefined);
}

function isIncomplete(run: Ended | undefined): boolean {
  return run !== undefined && "outcome" in run && !run.outcome.interrupted && run.outcome.isIncomplete;
}

/** So many at a time, in their order. */
async function inLanes(
  lanes: number,
  places: readonly number[],
  signal: AbortSignal,
  work: (at: number, runsSideBySide: () => number) => Promise<void>,
): Promise<void> {
  const waiting = [...places];
  let active = 0;
  const lane = async (): Promise<void> => {
    for (let at = waiting.shift(); at !== undefined && !signal.aborted; at = waiting.shift()) {
      active++;
      await work(at, () => active);
      active--;
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, places.length) }, lane));
}

/** Shown from the start, while it waits for workers and for its turn. */
export function telemetryOf(
  { options, telemetry }: { options: { out: string }; telemetry: Telemetry },
  config: Config,
): RunTelemetry {
  return telemetry.run(runIdOf(options.out, config.name ?? config.model), config);
}

/** A report that fails costs nothing but itself: the results are on the disk. */
async function reportOn({ report, events, signal }: RunsContext, run: Ended): Promise<void> {
  if (!("outcome" in run) || run.outcome.interrupted || run.outcome.isIncomplete || signal.aborted) return;
  await report(run.directory, run.name).catch((error: unknown) => {
    events.note("warning", `${run.name}: ${error instanceof Error ? error.message : String(error)}`);
  });
}

type Lap = Pick<RunContext, "beside" | "evaluateOnly" | "runsSideBySide">;

function folderOf({ options }: RunsContext, { name, model }: Config): string {
  return options.configs.length === 1 ? options.out : join(options.out, name ?? model);
}

async function endOf(context: RunsContext, config: Config, lap: Lap): Promise<Ended> {
  const { options, events, telemetry } = context;
  const shown = telemetryOf(context, config);
  const name = config.name ?? config.model;
  const directory = new RunDirectory(resolve(folderOf(context, config)));
  const told = events.ofRun(runIdOf(options.out, name), name);
  try {
    told.phase("loading", "");
    await directory.create();
    // Of an attempt before this one.
    await rm(directory.file("error.json"), { force: true });
    const outcome = await oneRun(context, config, directory, told, lap);
    const { interrupted, isIncomplete: isAwaiting } = outcome;
    if (isAwaiting && !interrupted) told.phase("waiting", "for the network that it is attacked from");
    else {
      if (!interrupted) told.result(outcome.result);
      told.finished(interrupted);
      telemetry.ended(shown, interrupted ? "interrupted" : "finished");
    }
    return { name, dataset: config.data.set, outcome, directory };
  } catch (error) {
    const failure = failureOf(error);
    told.failed(error);
    telemetry.ended(shown, "failed");
    if (options.configs.length === 1) throw error;
    await recordFailure(directory, failure, error).catch(() => undefined);
    return { name, failure };
  } finally {
    const own = lap.beside.get(directory.path);
    if (own !== undefined) own.isOver = true;
  }
}

function failureOf(error: unknown): RunFailure {
  return {
    code: error instanceof ClusterError ? error.code : "unexpected",
    message: redact(error instanceof Error ? error.message : String(error)),
    exit_code: exitCodeOf(error),
  };
}

async function recordFailure(directory: RunDirectory, failure: RunFailure, error: unknown): Promise<void> {
  const record = {
    ...failure,
    hint: error instanceof ClusterError ? (error.hint ?? null) : null,
    stack: error instanceof Error ? (error.stack ?? null) : null,
    time: new Date().toISOString(),
  };
  await directory.writeJson("error.json", redactTexts(record));
  const status = await directory.readJson<RunStatus>("status.json").catch(() => undefined);
  if (status !== undefined)
    await directory.writeJson("status.json", { ...status, state: "failed", exit_code: failure.exit_code });
}

async function oneRun(
  context: RunsContext,
  config: Config,
  directory: RunDirectory,
  events: RunEvents,
  lap: Lap,
): Promise<RunOutcome> {
  const { options, coordinator, shelf, term, signal, clock, broadcast, mapped, environment, tracer } =
    context;
  const dataset = await shelf.dataset(config.data);
  await directory.writeJson("env.json", environment());
  const outcome = await conductRun({
    coordinator,
    dataset,
    directory,
    runId: runIdOf(options.out, config.name ?? config.model),
    config,
    leaseFloorMs: options.pool.lease_floor_ms,
    term,
    signal,
    clock,
    broadcast,
    shelf,
    ...lap,
    mapped,
    ...(tracer === undefined ? {} : { tracer }),
    observer: observerOf(context, config, dataset, events, telemetryOf(context, config)),
  });
  // Once more: workers may have joined on the way.
  await directory.writeJson("env.json", environment());
  return outcome;
}

function observerOf(
  { options }: RunsContext,
  config: Config,
  { dataset }: PartitionedDataset,
  events: RunEvents,
  telemetry: RunTelemetry,
): RunObserver {
  const run = resolveRun(config);
  const plan = stepPlan(config, run, dataset.train.labels.length);
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
    phase: (name, detail) => {
      events.phase(name, detail);
      telemetry.state(name);
    },
    advanced: tell,
    committed: (step, total) => {
      const done = step.step + 1;
      if (done >= shown) tell(done, total, step.loss, step.hits / step.samples);
      events.learningRate(step.learningRate);
      telemetry.committed(step, total);
    },
    evaluating: (progress) => events.evaluated(progress),
    evaluationBegins: (known, checkpoint) => {
      telemetry.evaluating(known);
      if (known.length > 0) events.measured(checkpoint, known);
    },
    tasks: (standing) => telemetry.tasks(standing),
    taskRetried: (reason) => telemetry.taskRetried(reason),
    measured: (record, seconds, checkpoint, traceId) => {
      telemetry.measured(record, seconds, traceId);
      events.measured(checkpoint, [record]);
    },
    accuracy: (value, step) => {
      events.testAccuracy(step, value);
      telemetry.accuracy(value);
      events.note("info", `${run.name}: clean accuracy ${(100 * value).toFixed(2)} %`);
    },
    checkpoint: (outcome, seconds, bytes) => telemetry.checkpoint(outcome, seconds, bytes),
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
