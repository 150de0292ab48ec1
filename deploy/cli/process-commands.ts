/** `saf coordinator` and `saf worker`: the processes of a cluster, started by `saf train`, compose or Kubernetes. */
import { Command, Option } from "commander";
import { EXIT_CODES } from "../../shared/errors.js";
import { removeRings } from "../../shared/io/shared-memory-bus.js";
import { defaultCacheDir } from "../setup/engine.js";
import { loadConfig } from "./config-file.js";
import { type HttpFlags, addHttpOptions, httpOptionsOf } from "./http-options.js";
import { type NatsFlags, addNatsOptions, natsAccessOf } from "./nats-options.js";
import { wholeNumber } from "./run-options.js";
import { exitWithParent, interruption } from "./signals.js";

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
    .addOption(new Option("--log-file <file>", "write the log there instead"))
    .addOption(new Option("--exit-with-parent", "end when standard input closes").hideHelp());
}

interface ConnectionOptions extends HttpFlags, NatsFlags {
  pool: string;
  sharedMemory?: string;
  logLevel: string;
  logFile?: string;
  exitWithParent?: boolean;
}

export function workerCommand(): Command {
  return connectionOptions(new Command("worker"))
    .description("serve a cluster: compute gradients and evaluations")
    .requiredOption("--id <name>", "name of this worker, as in its credentials")
    .addOption(new Option("--engine <name>", "engine to compute with").env("SAF_ENGINE").default("wasm"))
    .addOption(new Option("--cache-dir <folder>", "where data parts are kept").env("SAF_CACHE_DIR"))
    .action(async (options: ConnectionOptions & { id: string; engine: string; cacheDir?: string }) => {
      if (options.exitWithParent === true) exitWithParent(() => removeRings(options.sharedMemory));
      const { engineNamed, runWorker } = await import("../../worker/main.js");
      const stop = interruption();
      const cacheDirectory = `${options.cacheDir ?? defaultCacheDir(process.env)}/parts`;
      await runWorker(
        {
          ...options,
          nats: natsAccessOf(options),
          engine: engineNamed(options.engine),
          cacheDirectory,
          http: httpOptionsOf(options),
        },
        stop.signal,
      );
      process.exitCode = stop.exitCode();
    });
}

export function coordinatorCommand(): Command {
  const collect = (value: string, previous: string[]): string[] => [...previous, value];
  return connectionOptions(new Command("coordinator"))
    .description("lead a cluster: lease work, sum gradients, keep the results")
    .requiredOption(
      "--run <file>",
      "settings of a run; repeat it for several, each of which gets a folder in --out",
      collect,
      [],
    )
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
    .action(
      async (
        options: ConnectionOptions & {
          run: string[];
          out: string;
          title: string;
          command: string;
          evaluateOnly: boolean;
          sideBySide: number;
          dismissWorkers: boolean;
          stay: boolean;
        },
      ) => {
        if (options.exitWithParent === true) exitWithParent(() => removeRings(options.sharedMemory));
        const { runCoordinator } = await import("../../coordinator/main.js");
        const configs = await Promise.all(
          options.run.map(async (file) => (await loadConfig({ files: [file], set: [] })).value),
        );
        const stop = interruption();
        const access = { nats: natsAccessOf(options), http: httpOptionsOf(options) };
        const { failed, interrupted } = await runCoordinator({ ...options, configs, ...access }, stop.signal);
        // Whoever stays when all is done is ended by a signal: that interrupts nothing.
        const ended = options.stay && !interrupted ? 0 : stop.exitCode();
        process.exitCode = ended || (Object.keys(failed).length > 0 ? EXIT_CODES.trials : 0);
      },
    );
}
