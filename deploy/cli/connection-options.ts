/** Options of the processes of a cluster: where the others are, and how this one shows itself. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { type HttpFlags, addHttpOptions } from "./http-options.js";
import { type NatsFlags, addNatsOptions } from "./nats-options.js";

export function connectionOptions(command: Command): Command {
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

export const seconds = (flags: string, help: string): Option =>
  new Option(flags, help).argParser((text: string) => {
    const value = Number(text);
    if (/^\d+(\.\d+)?$/.test(text) && value <= MOST_SECONDS) return value;
    throw new InvalidArgumentError(`Expected seconds from 0 to ${MOST_SECONDS}.`);
  });

const MOST_SECONDS = 1_000_000;

export interface ConnectionOptions extends HttpFlags, NatsFlags {
  natsTimeout: number;
  pool: string;
  sharedMemory?: string;
  logLevel: string;
  logFile?: string;
  exitWithParent?: boolean;
}
