/** The `saf` command. */
import { Command, CommanderError } from "commander";
import { ClusterError } from "../../shared/errors.js";
import { VERSION } from "../../shared/version.js";
import { benchCommand } from "./bench-command.js";
import { configCommand } from "./config-command.js";
import { dataCommand } from "./data-command.js";
import { demoCommand } from "./demo-command.js";
import { evaluateCommand, reportCommand } from "./evaluate-command.js";
import { reportError } from "./output.js";
import { coordinatorCommand, workerCommand } from "./process-commands.js";
import { doctorCommand, setupCommand } from "./setup-command.js";
import { trainCommand } from "./train-command.js";

const program = new Command("saf")
  .description("Train and measure robust CNNs on a cluster of workers, on one machine or many.")
  .version(VERSION)
  .option("--debug", "print the stack of an error", false)
  .showHelpAfterError("(run with --help for the options)")
  .exitOverride();

for (const command of [
  demoCommand(),
  trainCommand(),
  evaluateCommand(),
  reportCommand(),
  benchCommand(),
  dataCommand(),
  setupCommand(),
  doctorCommand(),
  configCommand(),
  coordinatorCommand(),
  workerCommand(),
]) {
  program.addCommand(command.copyInheritedSettings(program));
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : new ClusterError("usage", error.message).exitCode;
  } else
    reportError(error, { debug: process.argv.includes("--debug"), json: process.argv.includes("--json") });
}
