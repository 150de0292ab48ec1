/**
 * Functional analysis of variance over a random forest: which share of a metric's variance over the whole space each
 * parameter explains by itself. Exact for the forest: each leaf is a box, so its integrals are sums.
 * Source: F. Hutter, H. Hoos, K. Leyton-Brown, "An efficient approach for assessing hyperparameter importance", ICML 2014.
 */
import { at } from "../../../../shared/core/at.js";
import { type Forest, type Node, type Table, growForest } from "./forest.js";

export interface Fanova {
  /** By parameter, in [0, 1]: its main effect's share of the variance. What is left to 1 are interactions. */
  shares: readonly number[];
  /** R² out of bag; at or below 0 the shares say nothing. */
  fit: number;
}

/** Undefined where the metric is the same in all trials. */
export function fanova(table: Table, seed: number): Fanova | undefined {
  const forest: Forest = growForest(table, seed);
  const ofTrees = forest.trees
    .map((tree) => sharesOf(tree, table.bins))
    .filter((shares) => shares !== undefined);
  if (ofTrees.length === 0) return undefined;
  const shares = table.bins.map(
    (_, parameter) => ofTrees.reduce((sum, tree) => sum + at(tree, parameter), 0) / ofTrees.length,
  );
  return { shares, fit: forest.fit };
}

/** A leaf as a box: from `low` up to `high`, in bins of each parameter. */
interface Box {
  value: number;
  low: readonly number[];
  high: readonly number[];
  /** Its share of the whole space. */
  volume: number;
}

function sharesOf(tree: Node, bins: readonly number[]): number[] | undefined {
  const boxes = boxesOf(
    tree,
    bins.map(() => 0),
    [...bins],
    bins,
  );
  const mean = boxes.reduce((sum, { value, volume }) => sum + value * volume, 0);
  const variance = boxes.reduce((sum, { value, volume }) => sum + volume * (value - mean) ** 2, 0);
  if (!(variance > 1e-18 * Math.max(1, mean * mean))) return undefined;
  return bins.map((count, parameter) => {
    const marginal = new Float64Array(count);
    for (const { value, low, high, volume } of boxes) {
      const [from, to] = [at(low, parameter), at(high, parameter)];
      // The volume of the box over the other parameters alone.
      const weight = (value * volume * count) / (to - from);
      for (let bin = from; bin < to; bin++) marginal[bin] = at(marginal, bin) + weight;
    }
    const effect = marginal.reduce((sum, one) => sum + (one - mean) ** 2, 0) / count;
    return effect / variance;
  });
}

function boxesOf(node: Node, low: number[], high: number[], bins: readonly number[]): Box[] {
  if (node.kind === "leaf") {
    const volume = bins.reduce((product, count, i) => (product * (at(high, i) - at(low, i))) / count, 1);
    return [{ value: node.value, low, high, volume }];
  }
  const { parameter, threshold } = node;
  return [
    ...boxesOf(node.left, low, high.with(parameter, threshold), bins),
    ...boxesOf(node.right, low.with(parameter, threshold), high, bins),
  ];
}
