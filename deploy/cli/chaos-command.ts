/** `saf chaos`: a training under faults must come to the weights of the calm one. */
import { Command, InvalidArgumentError, Option } from "commander";
import { FAULT_KINDS, type FaultKind } from "../chaos/core/schedule.js";
import type { ChaosOptions } from "./chaos.js";
import { addConfigOptions } from "./config-options.js";
import { addClusterOptions, wholeNumber } from "./run-options.js";

const DEFAULT_FAULTS = 12;

export function chaosCommand(): Command {
  return addClusterOptions(addConfigOptions(new Command("chaos")))
    .description("train calmly, then under faults that a seed draws: weights and ledger must be the same")
    .addOption(new Option("--seed <number>", "of the faults").argParser(seedNumber).makeOptionMandatory())
    .addOption(
      new Option("--faults <count>", "faults in a round").argParser(wholeNumber).default(DEFAULT_FAULTS),
    )
    .addOption(
      new Option("--minutes <count>", "further rounds, with the seeds that follow, for so long").argParser(
        wholeNumber,
      ),
    )
    .addOption(
      new Option("--only <kinds>", `with commas between: ${FAULT_KINDS.join(", ")}`).argParser(faultKinds),
    )
    .addOption(
      new Option("--longest <milliseconds>", "longest stall, cut and full disk")
        .argParser(wholeNumber)
        .default(5000),
    )
    .option("--json", "print what was found as one JSON document")
    .action(async (options: ChaosOptions) => {
      const { chaosOf } = await import("./chaos.js");
      await chaosOf(options);
    });
}

function seedNumber(text: string): number {
  const seed = Number(text);
  if (/^\d+$/.test(text) && seed <= 4_294_967_295) return seed;
  throw new InvalidArgumentError("Expected a whole number from 0 to 4294967295.");
}

function faultKinds(text: string): FaultKind[] {
  const names = text.split(",").map((name) => name.trim());
  const kinds = FAULT_KINDS.filter((kind) => names.includes(kind));
  const unknown = names.find((name) => !kinds.some((kind) => kind === name));
  if (unknown === undefined) return kinds;
  throw new InvalidArgumentError(`"${unknown}" is no fault; expected some of ${FAULT_KINDS.join(", ")}.`);
}
