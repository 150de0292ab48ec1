/** `saf reproduce`: which networks it trains, and the file that says how far it is. */
import { networkNames } from "./networks/registry.js";

const FAMILIES = ["plain", "mrelu", "rbf"];
/** Flags of the paper's figures: METHOD.md 3. On CIFAR-10 the paper has random and mean training only together. */
const FLAGS: Readonly<Record<string, readonly string[]>> = {
  mnist: ["", "-a", "-r", "-m", "-r-m"],
  cifar10: ["", "-r-m"],
};

export const REPRODUCED_SETS: readonly string[] = Object.keys(FLAGS);

/** The paper's networks on a data set, in its order. */
export function paperModels(dataset: string): string[] {
  const known = networkNames(dataset);
  return FAMILIES.flatMap((family) => (FLAGS[dataset] ?? []).map((flags) => family + flags)).filter((name) =>
    known.includes(name),
  );
}

/** One training of the reproduction; its run directory has this name. */
export interface Member {
  name: string;
  model: string;
  seed: number;
}

/** Seed by seed, models in order: the first seeds of all are there before the second of any. */
export function membersOf(models: readonly string[], seeds: readonly number[]): Member[] {
  return seeds.flatMap((seed) =>
    models.map((model) => ({ name: seed === 0 ? model : `${model}-seed${seed}`, model, seed })),
  );
}

export type ReproducedState = "waiting" | "training" | "evaluating" | "done" | "interrupted" | "failed";

/** `reproduction.json`. Each member's folder holds the truth about it; this is the overview. */
export interface Reproduction {
  dataset: string;
  models: string[];
  seeds: number[];
  /** Null: the paper's own. */
  epochs: number | null;
  /** Test images per kind of perturbation; null: all. */
  images: number | null;
  /** Further settings of all members, as in `train.epochs=3`. */
  settings: string[];
  command: string;
  begun: string;
  updated: string;
  /** Versions and machine. */
  environment: Record<string, string>;
  members: (Member & {
    state: ReproducedState;
    /** Steps trained, of so many; null before it has begun. */
    step: number | null;
    steps: number | null;
    error: { code: string; message: string } | null;
  })[];
}
