/** Every network by name: family `plain`, `mrelu` or `rbf`, then flags `-r` (random) and `-m` (mean training). */
import { suggest } from "../core/suggest.js";
import { ClusterError } from "../errors.js";
import { MNIST_LOSS, MNIST_MEAN, MNIST_RANDOM, mnistNetwork } from "./mnist.js";
import type { ActivationName, Augmentation, Head, Network } from "./network.js";

const FAMILIES: Record<string, ActivationName | null> = { plain: null, mrelu: "mrelu", rbf: "rbf" };
const FLAG_SETS = ["", "-r", "-m", "-r-m"];

type Builder = (
  name: string,
  activation: ActivationName | null,
  head: Head,
  augmentation: Augmentation,
) => Network;

interface DatasetNetworks {
  build: Builder;
  random: NonNullable<Augmentation["random"]>;
  mean: NonNullable<Augmentation["mean"]>;
  loss: Extract<Head, { kind: "rbf" }>["loss"];
}

const DATASETS: Record<string, DatasetNetworks> = {
  mnist: { build: mnistNetwork, random: MNIST_RANDOM, mean: MNIST_MEAN, loss: MNIST_LOSS },
};

export function networkNames(): string[] {
  return Object.keys(FAMILIES).flatMap((family) => FLAG_SETS.map((flags) => family + flags));
}

/** The network of that name on that data set. Throws ClusterError("config") with the list and a suggestion. */
export function networkNamed(dataset: string, name: string): Network {
  const networks = Object.hasOwn(DATASETS, dataset) ? DATASETS[dataset] : undefined;
  if (networks === undefined) {
    throw new ClusterError(
      "config",
      `Unknown data set "${dataset}": expected one of ${Object.keys(DATASETS).join(", ")}`,
    );
  }
  const names = networkNames();
  if (!names.includes(name)) {
    const meant = suggest(name, names);
    throw new ClusterError(
      "config",
      `Unknown model "${name}"${meant === undefined ? "" : `: did you mean "${meant}"?`}`,
      {
        hint: `models: ${names.join(", ")}`,
      },
    );
  }
  const [family = "", ...flags] = name.split("-");
  const activation = FAMILIES[family] ?? null;
  const head: Head = activation === null ? { kind: "softmax" } : { kind: "rbf", loss: networks.loss };
  return networks.build(name, activation, head, {
    ...(flags.includes("r") ? { random: networks.random } : {}),
    ...(flags.includes("m") ? { mean: networks.mean } : {}),
  });
}
