/** Every network by name: a family, then flags. A new family, trick or data set is one file and one entry here. */
import { suggest } from "../core/suggest.js";
import { ClusterError } from "../errors.js";
import { cifar10Blueprint } from "./cifar10.js";
import { mrelu } from "./families/mrelu.js";
import { plainBn } from "./families/plain-bn.js";
import { plainRbfHead } from "./families/plain-rbfhead.js";
import { plain } from "./families/plain.js";
import { rbf } from "./families/rbf.js";
import type { Blueprint, Family, Trick } from "./family.js";
import { mnistBlueprint } from "./mnist.js";
import type { Augmentation, Network } from "./network.js";
import { adversarialTraining } from "./tricks/adversarial-training.js";
import { meanTraining } from "./tricks/mean-training.js";
import { pgdTraining } from "./tricks/pgd-training.js";
import { randomTraining } from "./tricks/random-training.js";

export const FAMILIES: readonly Family[] = [plain, mrelu, rbf, plainBn, plainRbfHead];
/** In the order of a name's flags. */
export const TRICKS: readonly Trick[] = [adversarialTraining, randomTraining, meanTraining, pgdTraining];
/** Fashion-MNIST has MNIST's shape, so it takes its networks. */
const BLUEPRINTS: Readonly<Record<string, Blueprint>> = {
  mnist: mnistBlueprint,
  "fashion-mnist": mnistBlueprint,
  cifar10: cifar10Blueprint,
};

/** Data sets that have networks. */
export const NETWORK_DATASETS: readonly string[] = Object.keys(BLUEPRINTS);

interface Choice {
  family: Family;
  tricks: readonly Trick[];
}

const nameOf = ({ family, tricks }: Choice): string =>
  [family.name, ...tricks.map(({ flag }) => flag)].join("-");

/** Every subset of the tricks that go together, and each that stands alone. */
const TRICK_SETS: readonly (readonly Trick[])[] = [
  ...TRICKS.filter(({ alone }) => alone !== true).reduce<Trick[][]>(
    (sets, trick) => [...sets, ...sets.map((set) => [...set, trick])],
    [[]],
  ),
  ...TRICKS.filter(({ alone }) => alone === true).map((trick) => [trick]),
];

function choicesFor(blueprint: Blueprint): Choice[] {
  return FAMILIES.filter(({ on }) => on?.includes(blueprint.name) ?? true).flatMap((family) =>
    TRICK_SETS.map((tricks) => ({ family, tricks })),
  );
}

/** Canonical names on a data set. Throws ClusterError("config") for an unknown one. */
export function networkNames(dataset = "mnist"): string[] {
  return choicesFor(blueprintOf(dataset)).map(nameOf);
}

/** Flags may come in any order. */
function sameName(choice: Choice, name: string): boolean {
  const { family, tricks } = choice;
  if (name === family.name) return tricks.length === 0;
  if (!name.startsWith(`${family.name}-`)) return false;
  const flags = name.slice(family.name.length + 1).split("-");
  return flags.length === tricks.length && tricks.every(({ flag }) => flags.includes(flag));
}

function choiceNamed(blueprint: Blueprint, name: string): Choice | undefined {
  return choicesFor(blueprint).find((choice) => sameName(choice, name));
}

/** The name with its flags in order, or undefined when there is no such network. */
export function canonicalName(dataset: string, name: string): string | undefined {
  const choice = choiceNamed(blueprintOf(dataset), name);
  return choice === undefined ? undefined : nameOf(choice);
}

function blueprintOf(dataset: string): Blueprint {
  const blueprint = Object.hasOwn(BLUEPRINTS, dataset) ? BLUEPRINTS[dataset] : undefined;
  if (blueprint !== undefined) return blueprint;
  throw new ClusterError(
    "config",
    `Unknown data set "${dataset}": expected one of ${NETWORK_DATASETS.join(", ")}`,
  );
}

/** By how layers are built, data set and name: trials of a sweep ask for the same one again and again. */
const networks = new WeakMap<Blueprint["build"], Map<string, Network>>();

/** The network of that name on that data set, the same one each time. Throws ClusterError("config") with the list and a suggestion. */
export function networkNamed(dataset: string, name: string): Network {
  const { build } = blueprintOf(dataset);
  const known = networks.get(build) ?? new Map<string, Network>();
  networks.set(build, known);
  const key = `${dataset} ${name}`;
  const network = known.get(key) ?? built(dataset, name);
  known.set(key, network);
  return network;
}

function built(dataset: string, name: string): Network {
  const blueprint = blueprintOf(dataset);
  const choice = choiceNamed(blueprint, name);
  if (choice === undefined) {
    const names = networkNames(dataset);
    const meant = suggest(name, names);
    throw new ClusterError(
      "config",
      `Unknown model "${name}"${meant === undefined ? "" : `: did you mean "${meant}"?`}`,
      {
        hint: `models for ${dataset}: ${names.join(", ")}`,
      },
    );
  }
  const { family, tricks } = choice;
  const augmentation = tricks.reduce<Augmentation>(
    (sum, { settings }) => ({ ...sum, ...settings[blueprint.name] }),
    blueprint.augmentation,
  );
  const outputs = augmentation.mean === undefined ? 10 : 12;
  return {
    name: nameOf(choice),
    dataset,
    outputs,
    realClasses: 10,
    ...blueprint.build(family, outputs),
    head: family.head === "softmax" ? { kind: "softmax" } : { kind: "rbf", loss: blueprint.hybridLoss },
    augmentation,
  };
}
