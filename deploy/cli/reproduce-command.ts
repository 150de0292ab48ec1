/** `saf reproduce`: the paper's networks on a data set, trained side by side and measured; goes on where it stopped. */
import { Command, InvalidArgumentError, Option } from "commander";
import { REPRODUCED_SETS } from "../../shared/reproduction.js";
import { theoryCommand } from "./reproduce-theory-command.js";
import { addRunOptions, wholeNumber } from "./run-options.js";
import type { ReproduceOptions } from "./reproduce.js";

export function reproduceCommand(): Command {
  const append = (value: string, before: string[]): string[] => [...before, value];
  return addRunOptions(new Command("reproduce"))
    .description("train and measure the paper's networks on a data set, several side by side")
    .argument("<data set>", REPRODUCED_SETS.join(" or "))
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
    .action(async (dataset: string, options: ReproduceOptions) => {
      const { reproduce } = await import("./reproduce.js");
      await reproduce(dataset, options);
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
