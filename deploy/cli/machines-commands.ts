/** `saf up` and `saf join`: a cluster of plain machines. */
import { Argument, Command, Option } from "commander";
import { ENGINE_NAMES } from "../../shared/engine.js";
import { addPoolOptions } from "./config-options.js";
import { duration } from "./duration.js";
import { httpPort } from "./http-options.js";
import type { JoinOptions } from "./join.js";
import { listenOption } from "./listen-option.js";
import { workerCount } from "./run-options.js";
import { interruption } from "./signals.js";
import type { UpOptions } from "./up.js";

export function upCommand(): Command {
  const append = (value: string, before: string[]): string[] => [...before, value];
  return addPoolOptions(new Command("up"))
    .description("lead a pool that other machines may join, until Ctrl-C; runs on this machine use it")
    .addOption(listenOption("where they reach it; by itself only this machine does"))
    .addOption(
      new Option("--expires <time>", "how long a new token is good: 90s, 30m, 24h, 30d")
        .default(duration("24h"), "24h")
        .argParser(duration),
    )
    .option("--fresh", "new authority, keys and token: who joined before must join again")
    .option("--nats-server <path>", "this nats-server program")
    .option("--json", "print token and addresses as one JSON document")
    .addOption(
      new Option(
        "--queue [folder]",
        "lead it too: take runs and sweeps in (saf submit), each into a folder of its own in this one",
      ).preset("runs/queue"),
    )
    .addOption(
      new Option(
        "-w, --workers <count>",
        "with --queue: worker processes here, or auto: one per core",
      ).argParser(workerCount),
    )
    .addOption(
      new Option("--engine <name>", "with --queue: this engine or an error (also SAF_ENGINE)").choices([
        ...ENGINE_NAMES,
      ]),
    )
    .addOption(httpPort())
    .option("--set <pool.key=value>", "with --queue: one setting of the pool; repeatable", append, [])
    .action(async (options: UpOptions) => {
      const stop = interruption();
      const { up } = await import("./up.js");
      await up(options, stop);
    });
}

export function joinCommand(): Command {
  return new Command("join")
    .description("bring this machine's workers to a pool, until Ctrl-C; they serve one run after another")
    .addArgument(new Argument("<token>", "what saf up --listen printed; - reads it from standard input"))
    .addOption(
      new Option("-w, --workers <count>", "worker processes, or auto: one per core")
        .default("auto")
        .argParser(workerCount),
    )
    .addOption(
      new Option("--engine <name>", "this engine or an error (also SAF_ENGINE)").choices([...ENGINE_NAMES]),
    )
    .option("--once", "end with the run that they serve first, instead of waiting for the next")
    .action(async (token: string, options: JoinOptions) => {
      const stop = interruption();
      const { join } = await import("./join.js");
      await join(token, options, stop);
    });
}
