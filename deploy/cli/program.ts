/** The `saf` command line as a tree of commands; main.ts runs it, completion and the tests of the documents read it. */
import { Command } from "commander";
import { VERSION } from "../../shared/version.js";
import { checkOpenFiles } from "../local/places.js";
import { benchCommand } from "./bench-command.js";
import { chaosCommand } from "./chaos-command.js";
import { completionCommand } from "./completion.js";
import { configCommand } from "./config-command.js";
import { credsCommand } from "./creds-command.js";
import { dataCommand } from "./data-command.js";
import { demoCommand } from "./demo-command.js";
import { warnOfVariables } from "./environment.js";
import { evaluateCommand, reportCommand } from "./evaluate-command.js";
import { exportCommand } from "./export-command.js";
import { coordinatorCommand, workerCommand } from "./process-commands.js";
import { joinCommand, upCommand } from "./machines-commands.js";
import { reproduceCommand } from "./reproduce-command.js";
import { doctorCommand, setupCommand } from "./setup-command.js";
import { statusCommand } from "./status-command.js";
import { sweepCommand } from "./sweep-command.js";
import { cancelCommand, listCommand, logsCommand, submitCommand } from "./submit-commands.js";
import { trainCommand } from "./train-command.js";
import { verifyCommand } from "./verify-command.js";

const PROCESSES = ["coordinator", "worker"];

/** Parsing throws CommanderError where commander alone would end the process, so that every exit code is ours. */
export function createProgram(): Command {
  const program = new Command("saf")
    .description("Train and measure robust CNNs on a cluster of workers, on one machine or many.")
    .version(VERSION)
    .option("--debug", "print the stack of an error", false)
    .showHelpAfterError("(run with --help for the options)")
    .exitOverride()
    // What a command needs is loaded when it is called: too few files would be found in the middle of that.
    .hook("preAction", () => checkOpenFiles())
    // The processes of a cluster know more exactly what they read.
    .hook("preAction", async (_, action) => {
      if (!PROCESSES.includes(action.name())) await warnOfVariables(process.env, variablesOf(program));
    });

  for (const command of [
    demoCommand(),
    trainCommand(),
    evaluateCommand(),
    sweepCommand(),
    reproduceCommand(),
    reportCommand(),
    verifyCommand(),
    statusCommand(),
    exportCommand(),
    chaosCommand(),
    benchCommand(),
    dataCommand(),
    setupCommand(),
    doctorCommand(),
    configCommand(),
    coordinatorCommand(),
    workerCommand(),
    upCommand(),
    joinCommand(),
    submitCommand(),
    listCommand(),
    logsCommand(),
    cancelCommand(),
    credsCommand(),
    completionCommand(program),
  ]) {
    program.addCommand(inheriting(command, program));
  }
  return program;
}

/** Variables that options of a command, or of one below it, read. */
function variablesOf(command: Command): (string | undefined)[] {
  return [...command.options.map(({ envVar }) => envVar), ...command.commands.flatMap(variablesOf)];
}

/** A command made on its own takes over no settings by itself, and neither do the ones below it. */
function inheriting(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inheriting(child, command);
  return command;
}
