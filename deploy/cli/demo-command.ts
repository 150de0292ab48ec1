/** `saf demo`: the main job. Plain and robust net on the real MNIST, trained and measured in a few minutes. */
import { Command } from "commander";
import { type RunOptions, addRunOptions } from "./run-options.js";

export function demoCommand(): Command {
  return addRunOptions(new Command("demo"))
    .description("train plain and mrelu-r-m on MNIST on this machine, attack both, write a report")
    .action(async (options: RunOptions) => {
      const { demo } = await import("./demo.js");
      await demo(options);
    });
}
