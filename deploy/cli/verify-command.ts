/** `saf verify`: whether a run holds what it promises: every image once, and the same bits again. */
import { Command, InvalidArgumentError, Option } from "commander";
import { ENGINE_NAMES } from "../../shared/engine.js";
import { DEFAULT_STEPS } from "../verify/stretches.js";
import type { VerifyFlags } from "./verify.js";

export function verifyCommand(): Command {
  return new Command("verify")
    .description("prove a run: every image counted once, hashes as recorded, chosen steps computed again")
    .argument("<run>", "run directory, or a folder of several")
    .option("--steps <count>", "steps to compute again, spread over the run", stepNumber, DEFAULT_STEPS)
    .option("--from <step>", "compute all steps again from this one on", stepNumber)
    .option("--to <step>", "and up to this one", stepNumber)
    .addOption(
      new Option("--all", "compute every step again, from the seed to the last weights").conflicts([
        "from",
        "to",
      ]),
    )
    .option("--data-dir <folder>", "folder with the images it was trained on (default: as the run had it)")
    .addOption(
      new Option("--engine <name>", "compute with this engine (default: the run's own)").choices([
        ...ENGINE_NAMES,
      ]),
    )
    .option("--json", "print the findings as one JSON document")
    .action(async (run: string, options: VerifyFlags) => {
      const { verify } = await import("./verify.js");
      await verify(run, options);
    });
}

function stepNumber(text: string): number {
  const step = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(step)) return step;
  throw new InvalidArgumentError("Expected a whole number, 0 or more.");
}
