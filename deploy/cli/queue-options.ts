/** Where the queue of a running cluster is, and who asks: options of `saf submit`, `list`, `logs` and `cancel`. */
import { type Command, Option } from "commander";
import type { NatsFlags } from "./nats-options.js";
import { addNatsOptions } from "./nats-options.js";

export interface QueueFlags extends NatsFlags {
  pool: string;
  id?: string;
  json?: true;
}

/** Is the address of a cluster given, or is it the one of `saf up` on this machine? */
export interface QueuePlace extends QueueFlags {
  isElsewhere: boolean;
}

export function addQueueOptions(command: Command): Command {
  return addNatsOptions(command)
    .addOption(new Option("--pool <name>", "name of the cluster").env("SAF_POOL").default("local"))
    .addOption(
      new Option("--id <name>", "who asks, as in the credentials (default: their name, else submitter)").env(
        "SAF_SUBMITTER_ID",
      ),
    )
    .option("--json", "print the answer as JSON");
}

export function placeOf<Flags extends QueueFlags>(command: Command, flags: Flags): Flags & QueuePlace {
  return { ...flags, isElsewhere: command.getOptionValueSource("natsUrl") !== "default" };
}
