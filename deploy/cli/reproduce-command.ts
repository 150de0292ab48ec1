/** `saf reproduce`: the paper's networks on a data set, side by side; goes on where it stopped. Or a sweep's trial again. */
import { Command, InvalidArgumentError, Option } from "commander";
import { REPRODUCED_SETS } from "../../shared/reproduction.js";
import { theoryCommand } from "./reproduce-theory-command.js";
import { addRunOptions, wholeNumber } from "./run-options.js";
import type { ReproduceTrialOptions } from "./reproduce-trial.js";

/** The beginning of a trial's id, or its number. */
const TRIAL_NAME = /^(#?\d+|[0-9a-f]{4,16})$/i;

export function reproduceCommand(): Command {
  const append = (value: string, before: string[]): string[] => [...before, value];
  return addRunOptions(new Command("reproduce"))
    .description(
      "train and measure the paper's networks on a data set, several side by side; or a sweep's trial again, whose weights must come out the same",
    )
    .argument("<what>", `${REPRODUCED_SETS.join(", ")}, or a trial: the beginning of its id, or its number`)
    .option("--sweep <folder>", "the trial's sweep (default: the newest in --runs)")
    .addOption(
      new Option(
        "--models <names>",
        "these networks, as in plain,mrelu-r-m (default: the paper's)",
      ).argParser((text: string) => namesIn(text)),
    )
    .addOption(
      new Option("--epochs <count>", "epochs of each training (default: the paper's)").argParser(positive),
    )
    .addOption(new Option("--images <count>", "test images per kind (default: all)").argParser(wholeNumber))
    .addOption(new Option("--seeds <numbers>", "seeds, as in 0,1,2 (default: 0)").argParser(seedsIn))
    .option("--set <key=value>", "one more setting of all of them, or of the pool; repeatable", append, [])
    .option("--out <folder>", "where it is kept; what is in it is continued, with its own settings")
    .action(async (what: string, options: ReproduceTrialOptions) => {
      if (!REPRODUCED_SETS.includes(what) && (options.sweep !== undefined || TRIAL_NAME.test(what))) {
        const { reproduceTrial } = await import("./reproduce-trial.js");
        return reproduceTrial(what, options);
      }
      const { reproduce } = await import("./reproduce.js");
      return reproduce(what, options);
    })
    .addCommand(theoryCommand());
}

function namesIn(text: string): string[] {
  const names = text.split(",").filter((name) => name !== "");
  if (names.length > 0 && new Set(names).size === names.length) return names;
  throw new InvalidArgumentError("Expected names of different networks, separated by commas.");
}

function seedsIn(text: string): number[] {
  const seeds = text.split(",").map(Number);
  if (seeds.every((seed) => Number.isInteger(seed) && seed >= 0) && new Set(seeds).size === seeds.length)
    return seeds;
  throw new InvalidArgumentError("Expected different whole numbers, separated by commas.");
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError("Expected a number above 0.");
}
