/** `saf coordinator` and `saf worker`: the processes of a cluster, started by `saf train`, compose or Kubernetes. */
import { hostname } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { EXIT_CODES, exitCodeOf } from "../../shared/errors.js";
import { removeRings } from "../../shared/io/shared-memory-bus.js";
import { defaultCacheDir } from "../setup/engine.js";
import { loadConfig } from "./config-file.js";
import { knownVariables, unknownVariables } from "./environment.js";
import { type HttpFlags, addHttpOptions, addPageOptions, httpOptionsOf } from "./http-options.js";
import { type NatsFlags, addNatsOptions, natsAccessOf } from "./nats-options.js";
import { addPoolOptions, loadPool, refuseRunSettings } from "./pool-options.js";
import { wholeNumber } from "./run-options.js";
import { exitWithParent, interruption } from "./signals.js";
import { workerName } from "./worker-name.js";

/** Connection options that both share. */
function connectionOptions(command: Command): Command {
  return addHttpOptions(addNatsOptions(command))
    .addOption(new Option("--pool <name>", "name of the cluster").env("SAF_POOL").default("local"))
    .addOption(
      new Option(
        "--shared-memory <folder>",
        "bulk bytes go through files here; only for processes of one machine",
      ).env("SAF_SHARED_MEMORY"),
    )
    .addOption(
      new Option("--log-level <level>", "least severe log line").env("SAF_LOG_LEVEL").default("info"),
    )
    .addOption(
      new Option("--log-file <file>", "write the log there instead; - is standard error").env("SAF_LOG_FILE"),
    )
    .addOption(
      seconds("--nats-timeout <seconds>", "give up when NATS cannot be reached for this long at the start")
        .env("SAF_NATS_TIMEOUT_S")
        .default(60),
    )
    .addOption(new Option("--exit-with-parent", "end when standard input closes").hideHelp());
}

const seconds = (flags: string, help: string): Option =>
  new Option(flags, help).argParser((text: string) => {
    const value = Number(text);
    if (/^\d+(\.\d+)?$/.test(text) && value <= MOST_SECONDS) return value;
    throw new InvalidArgumentError(`Expected seconds from 0 to ${MOST_SECONDS}.`);
  });

const MOST_SECONDS = 1_000_000;

interface ConnectionOptions extends HttpFlags, NatsFlags {
  natsTimeout: number;
  pool: string;
  sharedMemory?: string;
  logLevel: string;
  logFile?: string;
  exitWithParent?: boolean;
}

/** In a container the environment is all there is to mistype. */
function warnOfVariables(command: Command): void {
  // Of both, for they share a ConfigMap.
  const all = [workerCommand(), coordinatorCommand(), command].flatMap(({ options }) => options);
  for (const line of unknownVariables(process.env, knownVariables(all.map(({ envVar }) => envVar))))
    process.stderr.write(`saf: ${line}\n`);
}

export function workerCommand(): Command {
  return connectionOptions(new Command("worker"))
    .description("serve a cluster: compute gradients and evaluations")
    .addOption(
      new Option(
        "--id <name>",
        "name of this worker, as in its credentials (default: worker-<index> in an indexed Job, else of the host)",
      ).env("SAF_WORKER_ID"),
    )
    .addOption(
      seconds(
        "--coordinator-timeout <seconds>",
        "end (exit code 5) when no coordinator is heard of for this long; 0 waits for ever",
      )
        .env("SAF_COORDINATOR_TIMEOUT_S")
        .default(0),
    )
    .addOption(new Option("--engine <name>", "engine to compute with").env("SAF_ENGINE").default("wasm"))
    .addOption(new Option("--cache-dir <folder>", "where data parts are kept").env("SAF_CACHE_DIR"))
    .action(async (options: WorkerFlags, command: Command) => {
      warnOfVariables(command);
      if (options.exitWithParent === true) exitWithParent(() => removeRings(options.sharedMemory));
      const stop = interruption();
      const id = workerName(options.id, process.env["JOB_COMPLETION_INDEX"], hostname());
      const { engineNamed, runWorker } = await import("../../worker/main.js");
      const cacheDirectory = `${options.cacheDir ?? defaultCacheDir(process.env)}/parts`;
      await runWorker(
        {
          ...options,
          id,
          connectTimeoutMs: 1000 * options.natsTimeout,
          coordinatorTimeoutMs: 1000 * options.coordinatorTimeout,
          nats: natsAccessOf(options),
          engine: engineNamed(options.engine || "wasm"),
          cacheDirectory,
          http: httpOptionsOf(options),
        },
        stop.signal,
      );
      process.exitCode = stop.exitCode();
    });
}

interface WorkerFlags extends ConnectionOptions {
  id?: string;
  engine: string;
  cacheDir?: string;
  coordinatorTimeout: number;
}

interface CoordinatorFlags extends ConnectionOptions {
  run: string[];
  poolFile?: string;
  set: string[];
  out: string;
  title: string;
  command: string;
  evaluateOnly: boolean;
  sideBySide: number;
  dismissWorkers: boolean;
  stay: boolean;
}

export function coordinatorCommand(): Command {
  const collect = (value: string, previous: string[]): string[] => [...previous, value];
  return addPoolOptions(addPageOptions(connectionOptions(new Command("coordinator"))))
    .description("lead a cluster: lease work, sum gradients, keep the results")
    .requiredOption(
      "--run <file>",
      "settings of a run; repeat it for several, each of which gets a folder in --out",
      collect,
      [],
    )
    .option("--set <pool.key=value>", "one setting of the pool over its file; repeatable", collect, [])
    .requiredOption("--out <folder>", "run directory; what is in it is continued")
    .addOption(
      new Option("--side-by-side <count>", "runs to conduct at the same time")
        .default(1)
        .argParser(wholeNumber),
    )
    .option("--title <text>", "title of the report", "saf run")
    .option("--command <text>", "command to print in the report", "saf coordinator")
    .option("--evaluate-only", "measure the newest checkpoint, train no further", false)
    .option("--dismiss-workers", "tell the workers to stop when everything is done", false)
    .option("--stay", "when everything is done, go on serving HTTP until a signal comes", false)
    .action(async (options: CoordinatorFlags, command: Command) => {
      warnOfVariables(command);
      if (options.exitWithParent === true) exitWithParent(() => removeRings(options.sharedMemory));
      const stop = interruption();
      const { runCoordinator } = await import("../../coordinator/main.js");
      refuseRunSettings(options.set);
      const { value: pool } = await loadPool(options);
      const configs = await Promise.all(
        options.run.map(async (file) => (await loadConfig({ files: [file], set: [] })).value),
      );
      const ended = await runCoordinator(
        {
          ...options,
          configs,
          poolName: options.pool,
          pool,
          nats: natsAccessOf(options),
          http: httpOptionsOf(options),
          connectTimeoutMs: 1000 * options.natsTimeout,
        },
        stop.signal,
      ).catch((error: unknown) => {
        // Told to end while it was still waiting for NATS.
        if (stop.exitCode() === 0 || exitCodeOf(error) !== EXIT_CODES.dependency) throw error;
        return { failed: {}, interrupted: true };
      });
      // Whoever stays when all is done is ended by a signal: that interrupts nothing.
      const signalled = options.stay && !ended.interrupted ? 0 : stop.exitCode();
      process.exitCode = signalled || (Object.keys(ended.failed).length > 0 ? EXIT_CODES.trials : 0);
    });
}
