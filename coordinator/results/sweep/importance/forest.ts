/**
 * A random forest of regression trees over parameters that are cut into bins: small, seeded, and exact to integrate,
 * since each leaf is a box of whole bins.
 * Source: L. Breiman, Machine Learning 45 (2001), 5-32.
 */
import { at } from "../../../../shared/core/at.js";
import { RandomStream } from "../../../../shared/random.js";

/** Trials as bins: `columns[j][i]` is the bin of trial i in parameter j, below `bins[j]`. */
export interface Table {
  columns: readonly Uint8Array[];
  bins: readonly number[];
  target: Float64Array;
}

export interface Leaf {
  kind: "leaf";
  value: number;
}

/** Bins below `threshold` go to the left. */
export interface Split {
  kind: "split";
  parameter: number;
  threshold: number;
  left: Node;
  right: Node;
}
export type Node = Leaf | Split;

export interface Forest {
  trees: readonly Node[];
  /**
   * Share of the variance that the forest explains in trials that a tree has not seen (R², out of bag); at or below 0 it
   * explains nothing.
   */
  fit: number;
}

const TREES = 32;
const LEAST_IN_LEAF = 3;
const MOST_DEPTH = 24;

export function growForest(table: Table, seed: number): Forest {
  const count = table.target.length;
  const sums = new Float64Array(count);
  const votes = new Uint16Array(count);
  const trees = Array.from({ length: TREES }, (_, number) => {
    const stream = new RandomStream(seed, "importance", number);
    const drawn = Uint32Array.from({ length: count }, () => stream.below(count));
    const tree = grow(table, drawn, 0);
    const seen = new Set(drawn);
    for (let i = 0; i < count; i++) {
      if (seen.has(i)) continue;
      sums[i] = at(sums, i) + predict(tree, table, i);
      votes[i] = at(votes, i) + 1;
    }
    return tree;
  });
  return { trees, fit: fitOf(table.target, sums, votes) };
}

function predict(tree: Node, { columns }: Table, trial: number): number {
  let node = tree;
  while (node.kind === "split") {
    node = at(at(columns, node.parameter), trial) < node.threshold ? node.left : node.right;
  }
  return node.value;
}

function fitOf(target: Float64Array, sums: Float64Array, votes: Uint16Array): number {
  const judged = [...target.keys()].filter((i) => at(votes, i) > 0);
  const mean = judged.reduce((sum, i) => sum + at(target, i), 0) / judged.length;
  let [missed, all] = [0, 0];
  for (const i of judged) {
    missed += (at(target, i) - at(sums, i) / at(votes, i)) ** 2;
    all += (at(target, i) - mean) ** 2;
  }
  return all === 0 ? 0 : 1 - missed / all;
}

function grow(table: Table, trials: Uint32Array, depth: number): Node {
  const split = depth < MOST_DEPTH ? bestSplit(table, trials) : undefined;
  if (split === undefined) return { kind: "leaf", value: meanOf(table.target, trials) };
  const column = at(table.columns, split.parameter);
  const isLeft = (trial: number): boolean => at(column, trial) < split.threshold;
  return {
    kind: "split",
    ...split,
    left: grow(table, trials.filter(isLeft), depth + 1),
    right: grow(
      table,
      trials.filter((trial) => !isLeft(trial)),
      depth + 1,
    ),
  };
}

function meanOf(target: Float64Array, trials: Uint32Array): number {
  return trials.reduce((sum, trial) => sum + at(target, trial), 0) / trials.length;
}

interface Cut {
  parameter: number;
  threshold: number;
}

/** The cut that leaves the least squared error; undefined where none makes it smaller. */
function bestSplit(table: Table, trials: Uint32Array): Cut | undefined {
  if (trials.length < 2 * LEAST_IN_LEAF) return undefined;
  const total = trials.reduce((sum, trial) => sum + at(table.target, trial), 0);
  let best: (Cut & { gain: number }) | undefined;
  const noGain = (total * total) / trials.length;
  for (let parameter = 0; parameter < table.columns.length; parameter++) {
    const found = bestCut(table, trials, parameter, total);
    if (found !== undefined && found.gain > (best?.gain ?? noGain * (1 + 1e-12) + 1e-15)) {
      best = { parameter, ...found };
    }
  }
  return best === undefined ? undefined : { parameter: best.parameter, threshold: best.threshold };
}

/** Gain: sum²/count of both sides, which is larger by as much as the squared error is smaller. */
function bestCut(
  table: Table,
  trials: Uint32Array,
  parameter: number,
  total: number,
): { threshold: number; gain: number } | undefined {
  const bins = at(table.bins, parameter);
  const column = at(table.columns, parameter);
  const [sums, counts] = [new Float64Array(bins), new Uint32Array(bins)];
  for (const trial of trials) {
    const bin = at(column, trial);
    sums[bin] = at(sums, bin) + at(table.target, trial);
    counts[bin] = at(counts, bin) + 1;
  }
  let best: { threshold: number; gain: number } | undefined;
  let [left, count] = [0, 0];
  for (let threshold = 1; threshold < bins; threshold++) {
    left += at(sums, threshold - 1);
    count += at(counts, threshold - 1);
    const rest = trials.length - count;
    if (count < LEAST_IN_LEAF || rest < LEAST_IN_LEAF) continue;
    const gain = (left * left) / count + (total - left) ** 2 / rest;
    if (best === undefined || gain > best.gain) best = { threshold, gain };
  }
  return best;
}
