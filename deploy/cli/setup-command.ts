/** `saf setup` and `saf doctor`: get what a run needs; say what is there. */
import { Command, Option } from "commander";
import { REAL_ENGINES } from "../../shared/engine.js";
import type { SetupOptions } from "./setup.js";

const engineOption = (): Option =>
  new Option("--engine <name>", "this engine or an error (also SAF_ENGINE)").choices([...REAL_ENGINES]);

export function setupCommand(): Command {
  return new Command("setup")
    .description("get an engine and a nats-server, once; says what it chose and why")
    .option("--json", "print the choice as one JSON document")
    .addOption(engineOption())
    .option("--nats-server <path>", "this nats-server program")
    .option("--refresh", "choose the engine anew")
    .option("--engine-only", "leave nats-server alone: for the image of a worker")
    .action(async (options: SetupOptions) => {
      const { setup } = await import("./setup.js");
      await setup(options);
    });
}

export function doctorCommand(): Command {
  return new Command("doctor")
    .description("look at everything a run needs, change nothing")
    .option("--json", "print the findings as one JSON document")
    .action(async (options: { json?: true }) => {
      const { doctor } = await import("./doctor.js");
      await doctor(options);
    });
}
