/**
 * The lemma (METHOD.md 1.12) in numbers: a block of one-dimensional symmetric units decides whether a point lies in a
 * ball. Unit i answers f(w_i·(x − t)/s) with a random unit direction w_i; the block answers their mean and says "inside"
 * where that reaches g(r), the mean that infinitely many units would have at distance r. Our own construction: by
 * symmetry the limit g depends on ‖x − t‖ alone, so many 1-D units make one high-dimensional radial function.
 */
import { RandomStream } from "../../../shared/random.js";
import { at } from "../../../shared/core/at.js";

export type UnitName = "mrelu" | "rbf";
export const UNIT_NAMES: readonly UnitName[] = ["mrelu", "rbf"];

const UNITS: Readonly<Record<UnitName, (x: number) => number>> = {
  mrelu: (x) => Math.max(0, 1 - Math.abs(x)),
  rbf: (x) => Math.exp(-x * x),
};

export interface BallSettings {
  /** Dimension of the space, at least 2. */
  dimension: number;
  /** Radius of the ball. */
  radius: number;
  /** Test points lie at distances radius·(1 − shell) to radius·(1 + shell). */
  shell: number;
  /** Most units in a block; smaller blocks are its first 1, 2, 4, … */
  units: number;
  /** Blocks of that size, each with directions of its own. */
  blocks: number;
  /** Test points of each block, half of them inside. */
  points: number;
  seed: number;
}

/** One size of block; shares in [0, 1]. */
export interface BlockError {
  unit: UnitName;
  units: number;
  /** Share of points put on the wrong side, over all blocks. */
  error: number;
  /** Standard deviation of that share over the blocks. */
  deviation: number;
  /** The same share if the mean of the units were normally distributed: no draw decides it. */
  predicted: number;
}

/** Units spread so that at the ball's edge their argument has variance 1: a component of a unit vector has 1/d. */
export function unitWidth({ dimension, radius }: Pick<BallSettings, "dimension" | "radius">): number {
  return radius / Math.sqrt(dimension);
}

/** 1, 2, 4, … up to `most`, and `most` itself. */
export function blockSizes(most: number): number[] {
  const sizes: number[] = [];
  for (let size = 1; size < most; size *= 2) sizes.push(size);
  return [...sizes, most];
}

const QUADRATURE_INTERVALS = 2000;

/** Mean and deviation of one unit's answer at distance ρ over all directions, by Simpson's rule. */
export function radialMoments(
  unit: UnitName,
  settings: Pick<BallSettings, "dimension" | "radius">,
  distance: number,
): { mean: number; deviation: number } {
  const { dimension } = settings;
  const scale = distance / unitWidth(settings);
  const f = UNITS[unit];
  let weight = 0;
  let sum = 0;
  let squares = 0;
  // A component u = sin θ of a uniformly random unit vector has density cos^(d−2) θ in θ.
  for (let i = 0; i <= QUADRATURE_INTERVALS; i++) {
    const angle = Math.PI * (i / QUADRATURE_INTERVALS - 0.5);
    const simpson = i === 0 || i === QUADRATURE_INTERVALS ? 1 : i % 2 === 1 ? 4 : 2;
    const density = simpson * Math.cos(angle) ** (dimension - 2);
    const value = f(scale * Math.sin(angle));
    weight += density;
    sum += density * value;
    squares += density * value * value;
  }
  const mean = sum / weight;
  return { mean, deviation: Math.sqrt(Math.max(0, squares / weight - mean * mean)) };
}

/** Uniform on the sphere of radius 1, written into `out`. */
function direction(stream: RandomStream, out: Float64Array): void {
  let squares = 0;
  for (let k = 0; k < out.length; k++) {
    const value = stream.normal();
    out[k] = value;
    squares += value * value;
  }
  const norm = Math.sqrt(squares);
  for (const [k, value] of out.entries()) out[k] = value / norm;
}

/** [units x dimension] random directions of a block. */
export function blockDirections({ dimension, units, seed }: BallSettings, block: number): Float64Array {
  const stream = new RandomStream(seed, "theory", block, 0);
  const directions = new Float64Array(units * dimension);
  for (let i = 0; i < units; i++) direction(stream, directions.subarray(i * dimension, (i + 1) * dimension));
  return directions;
}

/** Answers of all units to a point given as its difference to the template. */
function project(directions: Float64Array, offset: Float64Array, width: number, out: Float64Array): void {
  const dimension = offset.length;
  for (let i = 0; i < out.length; i++) {
    let dot = 0;
    for (let k = 0; k < dimension; k++) dot += (directions[i * dimension + k] ?? NaN) * (offset[k] ?? NaN);
    out[i] = dot / width;
  }
}

/** Misclassified share by block size, for both kinds of units on the same directions and points. */
export function measureBlocks(settings: BallSettings): BlockError[] {
  const sizes = blockSizes(settings.units);
  const shares = new Map(UNIT_NAMES.map((unit) => [unit, sizes.map(() => Array.of<number>())]));
  for (let block = 0; block < settings.blocks; block++) {
    const wrong = wrongOfBlock(settings, block, sizes);
    for (const unit of UNIT_NAMES) {
      wrong[unit].forEach((count, k) => shares.get(unit)?.[k]?.push(count / settings.points));
    }
  }
  return UNIT_NAMES.flatMap((unit) => {
    const predicted = predictedErrors(unit, settings, sizes);
    return sizes.map((units, k) => {
      const ofSize = shares.get(unit)?.[k] ?? [];
      return { unit, units, ...meanAndDeviation(ofSize), predicted: at(predicted, k) };
    });
  });
}

function wrongOfBlock(
  settings: BallSettings,
  block: number,
  sizes: readonly number[],
): Record<UnitName, number[]> {
  const { dimension, radius, shell, points, units, seed } = settings;
  const width = unitWidth(settings);
  const directions = blockDirections(settings, block);
  const stream = new RandomStream(seed, "theory", block, 1);
  const offset = new Float64Array(dimension);
  const arguments_ = new Float64Array(units);
  const thresholds = UNIT_NAMES.map((unit) => radialMoments(unit, settings, radius).mean);
  const wrong = { mrelu: sizes.map(() => 0), rbf: sizes.map(() => 0) };
  for (let point = 0; point < points; point++) {
    const isInside = point % 2 === 0;
    const distance = radius * (1 + (isInside ? -1 : 1) * shell * stream.uniform());
    direction(stream, offset);
    for (const [k, value] of offset.entries()) offset[k] = distance * value;
    project(directions, offset, width, arguments_);
    UNIT_NAMES.forEach((unit, u) => {
      const f = UNITS[unit];
      let sum = 0;
      let size = 0;
      for (let i = 0; i < units; i++) {
        sum += f(arguments_[i] ?? NaN);
        if (i + 1 !== sizes[size]) continue;
        const isWrong = sum / (i + 1) >= at(thresholds, u) !== isInside;
        if (isWrong) wrong[unit][size] = at(wrong[unit], size) + 1;
        size++;
      }
    });
  }
  return wrong;
}

const RADII = 200;

/** Over the distances of the test points: the chance that a normal mean of m units lands on the wrong side. */
function predictedErrors(unit: UnitName, settings: BallSettings, sizes: readonly number[]): number[] {
  const { radius, shell } = settings;
  const edge = radialMoments(unit, settings, radius).mean;
  const moments = Array.from({ length: RADII }, (_, i) =>
    radialMoments(unit, settings, radius * (1 + shell * ((2 * (i + 0.5)) / RADII - 1))),
  );
  return sizes.map((size) => {
    const tails = moments.map(({ mean, deviation }) =>
      normalTail((Math.abs(mean - edge) * Math.sqrt(size)) / deviation),
    );
    return tails.reduce((sum, tail) => sum + tail, 0) / RADII;
  });
}

/**
 * P(Z > z) of a standard normal Z for z >= 0, within 7.5e-8. Source: Abramowitz and Stegun, Handbook of Mathematical
 * Functions, 26.2.17.
 */
export function normalTail(z: number): number {
  const t = 1 / (1 + 0.2316419 * z);
  const polynomial =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * polynomial;
}

function meanAndDeviation(values: readonly number[]): { error: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { error: mean, deviation: Math.sqrt(squares / Math.max(1, values.length - 1)) };
}

/** The exponent a in error ≈ c·units^a, by least squares on logarithms over blocks of at least `from` units. */
export function errorExponent(errors: readonly BlockError[], unit: UnitName, from = 8): number {
  const points = errors
    .filter((error) => error.unit === unit && error.units >= from && error.error > 0)
    .map(({ units, error }): [number, number] => [Math.log(units), Math.log(error)]);
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  const products = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return products / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}

/** One block's mean along rays from the template: [ray][distance]. */
export function rayResponses(
  settings: BallSettings,
  unit: UnitName,
  units: number,
  distances: readonly number[],
  rays: number,
): number[][] {
  const block = { ...settings, units };
  const directions = blockDirections(block, 0);
  const stream = new RandomStream(settings.seed, "theory", 0, 2);
  const f = UNITS[unit];
  const ray = new Float64Array(settings.dimension);
  const offset = new Float64Array(settings.dimension);
  const arguments_ = new Float64Array(units);
  return Array.from({ length: rays }, () => {
    direction(stream, ray);
    return distances.map((distance) => {
      for (const [k, value] of ray.entries()) offset[k] = distance * value;
      project(directions, offset, unitWidth(settings), arguments_);
      return arguments_.reduce((sum, argument) => sum + f(argument), 0) / units;
    });
  });
}

/** In the plane: where a block of `units` says "inside", on a square of side 2·extent·radius round the template. */
export function planeDecisions(
  seed: number,
  unit: UnitName,
  units: number,
  cells: number,
  extent: number,
): boolean[] {
  const settings: BallSettings = { dimension: 2, radius: 1, shell: 0, units, blocks: 1, points: 0, seed };
  const directions = blockDirections(settings, 0);
  const threshold = radialMoments(unit, settings, 1).mean;
  const f = UNITS[unit];
  const arguments_ = new Float64Array(units);
  return Array.from({ length: cells * cells }, (_, cell) => {
    const at = (index: number): number => extent * ((2 * (index + 0.5)) / cells - 1);
    const offset = Float64Array.of(at(cell % cells), at(Math.floor(cell / cells)));
    project(directions, offset, unitWidth(settings), arguments_);
    return arguments_.reduce((sum, argument) => sum + f(argument), 0) / units >= threshold;
  });
}
