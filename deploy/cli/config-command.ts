/** `saf config show | schema | validate`: what would run, what may be said, and whether a file says it right. */
import { Argument, Command } from "commander";
import { addConfigOptions, addPoolOptions } from "./config-options.js";
import type { ConfigOptions, Described, Subject } from "./config.js";

/** Throws ClusterError("config") from its actions; the caller reports it. */
export function configCommand(): Command {
  return new Command("config")
    .description("show, describe and check configurations, of a run and of the pool that serves it")
    .addCommand(showCommand())
    .addCommand(schemaCommand())
    .addCommand(validateCommand());
}

function subject(...more: string[]): Argument {
  return new Argument("[of]", "whose settings").choices(["run", "pool", ...more]).default("run");
}

function showCommand(): Command {
  return addPoolOptions(addConfigOptions(new Command("show")))
    .description("every setting with its value and where it comes from")
    .addArgument(subject())
    .option("--json", "one JSON document: config and sources")
    .action(async (of: Subject, options: ConfigOptions) => {
      const { show } = await import("./config.js");
      await show(of, options);
    });
}

function schemaCommand(): Command {
  return new Command("schema")
    .description("JSON Schema of a configuration file, for editors")
    .addArgument(subject("sweep"))
    .action(async (of: Described) => {
      const { printSchema } = await import("./config.js");
      printSchema(of);
    });
}

function validateCommand(): Command {
  return addPoolOptions(addConfigOptions(new Command("validate")))
    .description("check files and settings; exit code 2 when something is wrong")
    .argument("[files...]", "files of a run to check together, as with -c")
    .option("--json", "one JSON document: valid, and the problems")
    .action(async (more: string[], options: ConfigOptions) => {
      const { validate } = await import("./config.js");
      await validate(more, options);
    });
}
