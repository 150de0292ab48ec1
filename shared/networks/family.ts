/** The axes along which networks differ. A family and a trick are one small file each, listed in registry.ts. */
import type { ActivationName, Augmentation, Head, HybridWeights, Network } from "./network.js";

export interface Family {
  name: string;
  /** For people: what is special about it. */
  title: string;
  /** Symmetric activation before each pooling; null: the plain net. */
  activation: ActivationName | null;
  head: Head["kind"];
  /** Batch norm behind the convolutions also where the paper's plain net has none. */
  norm: boolean;
  /** Data sets on which it differs from the other families (default: all). */
  on?: readonly BlueprintName[];
}

/** A way of changing the training images, named by a flag behind the family. */
export interface Trick {
  /** As in mrelu-r-m: "r" and "m". */
  flag: string;
  title: string;
  /** It takes the place of all other flags. */
  alone?: true;
  settings: Readonly<Record<BlueprintName, Augmentation>>;
}

export type BlueprintName = "mnist" | "cifar10";

/** The paper's network of a data set, open in what families decide. */
export interface Blueprint {
  name: BlueprintName;
  hybridLoss: HybridWeights;
  /** Done to every network of this data set. */
  augmentation: Augmentation;
  build(family: Family, outputs: number): Pick<Network, "input" | "layers" | "recipe" | "strengths">;
}
