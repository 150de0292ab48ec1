/** `saf bench`: what the cluster costs, as ratios measured side by side in interleaved rounds. */
import { Command, Option } from "commander";
import { REAL_ENGINES } from "../../shared/engine.js";
import { ClusterError } from "../../shared/errors.js";
import type { BenchOptions } from "./bench.js";

const count = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new ClusterError("usage", `"${text}" is not a whole number above zero`);
  return value;
};

export function benchCommand(): Command {
  return new Command("bench")
    .description("measure the cluster against the bare engine loop and PyTorch DDP, side by side")
    .option("--json", "print every round as one JSON document")
    .addOption(new Option("--engine <name>", "this engine or an error").choices([...REAL_ENGINES]))
    .option("--nats-server <path>", "this nats-server program")
    .addOption(
      new Option("--python <path>", "python with torch, for the peer").env("SAF_PYTHON").default("python3"),
    )
    .option("--model <name>", "network to train", "mrelu-r-m")
    .option("--batch <images>", "images in a step", count, 128)
    .option("--slots <count>", "slots of a step", count, 2)
    .option("--steps <count>", "steps a round", count, 150)
    .option("--rounds <count>", "interleaved rounds", count, 5)
    .addOption(
      new Option("--bulk <way>", "how bulk bytes travel")
        .choices(["shared-memory", "nats"])
        .default("shared-memory"),
    )
    .option("-w, --workers <count>", "workers of the cluster, processes of the peer", count, 2)
    .action(async (options: BenchOptions) => {
      const { bench } = await import("./bench.js");
      await bench(options);
    });
}
