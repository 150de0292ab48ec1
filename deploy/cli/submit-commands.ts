/** `saf submit`, `list`, `logs` and `cancel`: work for a cluster that runs. */
import { Command, InvalidArgumentError, Option } from "commander";
import { addQueueOptions, placeOf, type QueueFlags } from "./queue-options.js";
import { progressOption } from "./run-options.js";
import { interruption } from "./signals.js";
import type { LogFlags, SubmitFlags } from "./submit.js";

const append = (value: string, before: string[]): string[] => [...before, value];

export function submitCommand(): Command {
  const command = addQueueOptions(new Command("submit"))
    .description(
      "hand a run, a sweep or an evaluation to a cluster that takes work in: saf up --queue, saf coordinator --queue",
    )
    .argument("[file]", "settings of a run or of a sweep; which of the two, its keys say")
    .option("--set <key=value>", "one setting over the file, as in train.epochs=3; repeatable", append, [])
    .option("--name <name>", "another name than the file's; one that is taken gets a number behind it")
    .addOption(
      new Option(
        "--share <number>",
        "of the pool beside other work: 2 gets twice as many workers as 1",
      ).argParser(numberWithin(0.001, 1000)),
    )
    .addOption(
      new Option("--priority <number>", "work of a higher one comes first, whatever the shares").argParser(
        wholeWithin(-100, 100),
      ),
    )
    .option(
      "--evaluate <id>",
      "measure the weights of that submission, SWEEP/TRIAL of a sweep's; `evaluate` of the file and --set say how",
    )
    .option("--resume <id>", "go on with what was cancelled or has failed, instead of a file")
    .option("--wait", "follow it to its end, and end with its exit code")
    .addOption(progressOption());
  return command.action(async (file: string | undefined, options: Omit<SubmitFlags, "isElsewhere">) => {
    const stop = interruption();
    const { submit } = await import("./submit.js");
    await submit(file, placeOf(command, options), stop);
  });
}

export function listCommand(): Command {
  const command = addQueueOptions(new Command("list")).description(
    "list what was submitted to a running cluster, and how it goes",
  );
  return command.action(async (options: QueueFlags) => {
    const { list } = await import("./submit.js");
    await list(placeOf(command, options));
  });
}

export function logsCommand(): Command {
  const command = addQueueOptions(new Command("logs"))
    .description("print what a submission told")
    .argument("<submission>", "its id, as saf submit and saf list say it")
    .option("-f, --follow", "go on with what it tells, to its end");
  return command.action(async (id: string, options: Omit<LogFlags, "isElsewhere">) => {
    const stop = interruption();
    const { logs } = await import("./submit.js");
    await logs(id, placeOf(command, options), stop);
  });
}

export function cancelCommand(): Command {
  const command = addQueueOptions(new Command("cancel"))
    .description("end a submission at a checkpoint, from which saf submit --resume goes on")
    .argument("<submission>", "its id, as saf submit and saf list say it");
  return command.action(async (id: string, options: QueueFlags) => {
    const { cancel } = await import("./submit.js");
    await cancel(id, placeOf(command, options));
  });
}

const numberWithin =
  (from: number, to: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== "" && value >= from && value <= to) return value;
    throw new InvalidArgumentError(`Expected a number from ${from} to ${to}.`);
  };

const wholeWithin =
  (from: number, to: number) =>
  (text: string): number => {
    if (/^-?\d+$/.test(text)) return numberWithin(from, to)(text);
    throw new InvalidArgumentError(`Expected a whole number from ${from} to ${to}.`);
  };
