/** `saf sweep`: a search over settings on one pool of workers, from one file: run, looked at, stopped, gone on with. */
import { Command, Option } from "commander";
import { addRunOptions, wholeNumber } from "./run-options.js";
import type { LookFlags, ResultsFlags } from "./sweep-look.js";
import type { ChangeFlags } from "./sweep-changes.js";
import type { SweepRunOptions } from "./sweep-run.js";

const append = (value: string, before: string[]): string[] => [...before, value];

export function sweepCommand(): Command {
  return new Command("sweep")
    .description("search settings: many trainings from one file, on one pool of workers")
    .addCommand(runCommand())
    .addCommand(resumeCommand())
    .addCommand(retryCommand())
    .addCommand(cancelCommand())
    .addCommand(statusCommand())
    .addCommand(resultsCommand())
    .addCommand(showCommand());
}

function runCommand(): Command {
  return addRunOptions(new Command("run"))
    .description("do what is missing of a sweep, on this machine; the same file again goes on where it was")
    .argument("<file>", "the sweep, as in examples/sweeps/quick.yaml")
    .option(
      "--set <key=value>",
      "one setting over the file, as in limits.trials=20, base.train.epochs=3 or pool.heartbeat_ms=500; repeatable",
      append,
      [],
    )
    .option("--out <folder>", "where it is kept (default: the sweep's name, in --runs)")
    .option("--dry-run", "say how many trials, images, hours and bytes it takes; start nothing", false)
    .option(
      "--force",
      "go on though trials that are there belong to the sweep no more; results leave them out",
      false,
    )
    .action(async (file: string, options: SweepRunOptions) => {
      const { runSweep } = await import("./sweep-run.js");
      await runSweep(file, options);
    });
}

function resumeCommand(): Command {
  return addRunOptions(ofSweep(new Command("resume")))
    .description("go on with a sweep from its folder, also with one that was cancelled")
    .option("--set <key=value>", "one setting over the sweep's own, or of the pool; repeatable", append, [])
    .option("--force", "go on though trials that are there belong to the sweep no more", false)
    .action(async (folder: string | undefined, options: SweepRunOptions) => {
      const { resumeSweep } = await import("./sweep-run.js");
      await resumeSweep(folder, options);
    });
}

function retryCommand(): Command {
  return addRunOptions(ofSweep(new Command("retry")))
    .description("try trials again that failed, and go on with the sweep")
    .addOption(new Option("--failed", "all that failed").conflicts("trial"))
    .option("--trial <id>", "this one; repeatable", append, [])
    .option("--set <pool.key=value>", "one setting of the pool; repeatable", append, [])
    .action(async (folder: string | undefined, options: SweepRunOptions & ChangeFlags) => {
      const { retryTrials } = await import("./sweep-run.js");
      await retryTrials(folder, options);
    });
}

function cancelCommand(): Command {
  return looking(ofSweep(new Command("cancel")))
    .description(
      "begin no more trials; what is being computed is finished, and trials stay where they are. `saf sweep resume` takes it back",
    )
    .action(async (folder: string | undefined, flags: LookFlags) => {
      const { cancelSweep } = await import("./sweep-changes.js");
      await cancelSweep(folder, flags);
    });
}

function statusCommand(): Command {
  return looking(ofSweep(new Command("status")))
    .description("how far a sweep is")
    .action(async (folder: string | undefined, flags: LookFlags) => {
      const { showStatus } = await import("./sweep-look.js");
      await showStatus(folder, flags);
    });
}

function resultsCommand(): Command {
  return looking(ofSweep(new Command("results")))
    .description("what a sweep has found so far: its leaderboard; `saf report` draws the page")
    .addOption(
      new Option("--format <name>", "as which text")
        .choices(["table", "markdown", "csv"])
        .default("table")
        .conflicts("json"),
    )
    .addOption(new Option("--top <count>", "so many rows").argParser(wholeNumber).default(20))
    .action(async (folder: string | undefined, flags: ResultsFlags) => {
      const { showResults } = await import("./sweep-look.js");
      await showResults(folder, flags);
    });
}

function showCommand(): Command {
  return looking(ofSweep(new Command("show").argument("<trial>", "the beginning of its id, or its number")))
    .description("one trial: its settings, its rungs, why it went on or ended, and how to train it again")
    .action(async (trial: string, folder: string | undefined, flags: LookFlags) => {
      const { showTrial } = await import("./sweep-look.js");
      await showTrial(trial, folder, flags);
    });
}

/** All commands that are about a sweep which is there name it in the same two ways. */
function ofSweep(command: Command): Command {
  return command
    .argument("[folder]", "the sweep's folder, or its name in --runs (default: the newest there)")
    .option("--sweep <folder>", "the same, as `saf reproduce` takes it");
}

function looking(command: Command): Command {
  return command
    .option("--runs <folder>", "where run directories are", "runs")
    .option("--json", "print one JSON document");
}
