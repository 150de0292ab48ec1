/** The `saf` command. */
import { Command, CommanderError } from "commander";
import { ClusterError } from "../../shared/errors.js";
import { VERSION } from "../../shared/version.js";
import { reportError } from "./output.js";
import { coordinatorCommand, workerCommand } from "./process-commands.js";

const program = new Command("saf")
  .description("Train and measure robust CNNs on a cluster of workers, on one machine or many.")
  .version(VERSION)
  .option("--debug", "print the stack of an error", false)
  .showHelpAfterError("(run with --help for the options)")
  .exitOverride();

program.addCommand(coordinatorCommand());
program.addCommand(workerCommand());

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : new ClusterError("usage", error.message).exitCode;
  else reportError(error, { debug: process.argv.includes("--debug"), json: process.argv.includes("--json") });
}
