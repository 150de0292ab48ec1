/** `saf train`: one run on this machine, from a file or from flags; `--resume` goes on with a run directory. */
import { Command } from "commander";
import { addConfigOptions } from "./config-options.js";
import { addRunOptions } from "./run-options.js";
import type { TrainOptions } from "./train.js";

export function trainCommand(): Command {
  return addRunOptions(addConfigOptions(new Command("train")))
    .description("train one network on this machine, measure it, write a report")
    .option("-m, --model <name>", "network, as in mrelu-r-m")
    .option("--resume <folder>", "go on with this run directory from its newest checkpoint")
    .action(async (options: TrainOptions) => {
      const { train } = await import("./train.js");
      await train(options);
    });
}
