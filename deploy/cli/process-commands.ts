/** `saf coordinator` and `saf worker`: the processes of a cluster, started by `saf train`, compose or Kubernetes. */
import { Command, Option } from "commander";
import { addPoolOptions } from "./config-options.js";
import { connectionOptions, seconds } from "./connection-options.js";
import { addPageOptions } from "./http-options.js";
import { wholeNumber } from "./run-options.js";
import { interruption } from "./signals.js";
import type { WorkerFlags } from "./worker-process.js";
import type { CoordinatorFlags } from "./coordinator-process.js";

/** Names of the variables that the options of both processes read: they share a ConfigMap. */
function ownVariables(): (string | undefined)[] {
  return [workerCommand(), coordinatorCommand()]
    .flatMap(({ options }) => options)
    .map(({ envVar }) => envVar);
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
    .option("--stay", "wait for the next run when the coordinator says that one is done")
    .addOption(
      new Option("--engine <name>", "engine to compute with (default: the one that saf setup chose)").env(
        "SAF_ENGINE",
      ),
    )
    .addOption(
      new Option(
        "--compute-ms <milliseconds>",
        "emulated engine: time that a slot takes; worker-1=250,50 names one worker's own (default: 50)",
      ).env("SAF_COMPUTE_MS"),
    )
    .addOption(
      new Option(
        "--host-memory <folder>",
        "workers of this machine sum and read through files here, and send and fetch once for all; for a coordinator on another one",
      ).env("SAF_HOST_MEMORY"),
    )
    .addOption(new Option("--cache-dir <folder>", "where data parts are kept").env("SAF_CACHE_DIR"))
    .action(async (options: WorkerFlags) => {
      // A signal may come while the rest is loaded.
      const stop = interruption();
      const { serveAsWorker } = await import("./worker-process.js");
      await serveAsWorker(options, ownVariables(), stop);
    });
}

export function coordinatorCommand(): Command {
  const collect = (value: string, previous: string[]): string[] => [...previous, value];
  return addPoolOptions(addPageOptions(connectionOptions(new Command("coordinator"))))
    .description("lead a cluster: lease work, sum gradients, keep the results")
    .option(
      "--run <file>",
      "settings of a run; repeat it for several, each of which gets a folder in --out",
      collect,
      [],
    )
    .option(
      "--sweep <file>",
      "a sweep, beside runs and others; what is in --out of it already goes on",
      collect,
      [],
    )
    .option("--force", "go on with a sweep whose spec makes some measured trials no more")
    .option("--set <pool.key=value>", "one setting of the pool over its file; repeatable", collect, [])
    .option("--out <folder>", "run directory; what is in it is continued")
    .option("--latest", "point the link latest, beside --out, to it", false)
    .addOption(
      new Option(
        "--queue <folder>",
        "take work in while it runs (saf submit), until a signal; each gets a folder in this one, and goes on after a restart",
      ).conflicts(["run", "sweep", "out", "latest", "evaluateOnly"]),
    )
    .addOption(
      new Option(
        "--emulated",
        "with --queue: its workers are emulated, and take emulated work only",
      ).hideHelp(),
    )
    .addOption(
      new Option("--side-by-side <count>", "runs to conduct at the same time")
        .default(1)
        .argParser(wholeNumber),
    )
    .addOption(
      new Option("--lineage", "each run begins with the weights that the one before it ended with")
        .default(false)
        .conflicts(["evaluateOnly"])
        .hideHelp(),
    )
    .option("--title <text>", "title of the report", "saf run")
    .option("--command <text>", "command to print in the report", "saf coordinator")
    .option("--evaluate-only", "measure the newest checkpoint, train no further", false)
    .option("--dismiss-workers", "tell the workers to stop when everything is done", false)
    .option("--stay", "when everything is done, go on serving HTTP until a signal comes", false)
    .addOption(
      new Option("--term-folder <folder>", "where a pool that outlives runs keeps its last term").hideHelp(),
    )
    .action(async (options: CoordinatorFlags) => {
      const stop = interruption();
      const { lead } = await import("./coordinator-process.js");
      await lead(options, ownVariables(), stop);
    });
}
