/** `saf bench`: speeds as ratios, measured side by side in interleaved rounds. */
import { Argument, Command, Option } from "commander";
import { BULK_WAYS, CODECS, ENGINE_MODES } from "../bench/core/contenders.js";
import { COMPARISONS } from "../bench/core/comparisons.js";
import { keysOf } from "../../shared/core/keys.js";
import { REAL_ENGINES } from "../../shared/engine.js";
import { ClusterError } from "../../shared/errors.js";
import { NETWORK_DATASETS } from "../../shared/networks/registry.js";
import type { BenchFlags } from "../bench/core/flags.js";

const count = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new ClusterError("usage", `"${text}" is not a whole number above zero`);
  return value;
};

const NAMES = keysOf(COMPARISONS);
const WIDTH = Math.max(...NAMES.map((name) => name.length));
const HELP = `
Comparisons; without one, the cluster beside the bare engine loop and PyTorch DDP:
${NAMES.map((name) => `  ${name.padEnd(WIDTH)}  ${COMPARISONS[name].help}`).join("\n")}
  ${"all".padEnd(WIDTH)}  every one of them

Each contender runs once a round, in an order that rotates; ratios are medians over
the rounds. docs/benchmark.md says what each row means.`;

export function benchCommand(): Command {
  return new Command("bench")
    .description("measure the cluster against the bare engine loop and PyTorch DDP, side by side")
    .addArgument(new Argument("[comparisons...]", "what is compared").choices([...NAMES, "all"]))
    .option("--json", "print every round as one JSON document")
    .addOption(
      new Option("--engine <name>", "this engine or an error; graph and eager as in --engine-mode").choices([
        ...REAL_ENGINES,
        ...ENGINE_MODES,
      ]),
    )
    .addOption(
      new Option("--engine-mode <mode>", "TensorFlow asked for whole graphs, or op by op").choices([
        ...ENGINE_MODES,
      ]),
    )
    .option("--nats-server <path>", "this nats-server program")
    .addOption(
      new Option("--python <path>", "python with torch, for the peer").env("SAF_PYTHON").default("python3"),
    )
    .addOption(new Option("--data <set>", "data set of the networks").choices([...NETWORK_DATASETS]))
    .option("--model <name>", "network to train (default: mrelu-r-m)")
    .option("--batch <images>", "images in a step (default: 128; CIFAR-10 100)", count)
    .option("--slots <count>", "slots of a step (default: 2 in clusters, else 1)", count)
    .option("--steps <count>", "steps a round (default: 150)", count)
    .option("--rounds <count>", "interleaved rounds", count, 5)
    .addOption(
      new Option("--bulk <way>", "how bulk bytes travel (default: mapped)").choices([
        ...BULK_WAYS,
        "shared-memory",
      ]),
    )
    .addOption(new Option("--codec <codec>", "how values travel; sets train.codec").choices([...CODECS]))
    .option("-w, --workers <count>", "workers of the cluster, processes of the peer", count, 2)
    .option("--hosts <count>", "machines that the workers are spread over", count)
    .option("--run <directory>", "trained run that evaluations measure (default: one is trained)")
    .option("--images <count>", "images of an evaluation (default: 1000; modern 4)", count)
    .option("--trace <file>", "trace a short training instead: Chrome's format, who waits for whom")
    .addHelpText("after", HELP)
    .action(async (names: string[], flags: BenchFlags) => {
      const { bench } = await import("./bench.js");
      await bench(names, flags);
    });
}
