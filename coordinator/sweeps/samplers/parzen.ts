/**
 * How likely the values of one parameter are, estimated from some that were tried: one kernel for each and one for the whole
 * domain (J. Bergstra, R. Bardenet, Y. Bengio, B. Kégl, "Algorithms for hyper-parameter optimization", NIPS 2011, section 4).
 */
import { at } from "../../../shared/core/at.js";
import type { SettingValue } from "../../../shared/config/sweep.js";
import type { RandomStream } from "../../../shared/random.js";
import { type Domain, type RangeDomain, isSame, positionOf, valueInScale } from "../domains.js";

export interface Estimate {
  draw(stream: RandomStream): SettingValue;
  /** Natural logarithm of a density, or of a probability where there are steps: comparable over one domain only. */
  logDensity(value: SettingValue): number;
}

export function estimateFrom(domain: Domain, tried: readonly SettingValue[]): Estimate {
  return domain.kind === "values" ? ofValues(domain.values, tried) : ofRange(domain, tried.map(Number));
}

/** Every value counts once more than it was tried. */
function ofValues(values: readonly SettingValue[], tried: readonly SettingValue[]): Estimate {
  const counts = values.map((value) => 1 + tried.filter((one) => isSame(one, value)).length);
  const sum = counts.reduce((total, count) => total + count, 0);
  return {
    draw(stream) {
      let rest = stream.below(sum);
      const place = counts.findIndex((count) => (rest -= count) < 0);
      return at(values, place);
    },
    logDensity(value) {
      const place = values.findIndex((known) => isSame(known, value));
      return Math.log((counts[place] ?? 0) / sum);
    },
  };
}

/** Normal, cut off where the scale of the range ends. */
interface Kernel {
  mean: number;
  deviation: number;
  /** Its share within [0, 1]. */
  inside: number;
}

function ofRange(domain: RangeDomain, tried: readonly number[]): Estimate {
  const kernels = kernelsAround(tried.map((value) => positionOf(domain, value).at));
  return {
    draw: (stream) => valueInScale(domain, drawn(at(kernels, stream.below(kernels.length)), stream)),
    logDensity(value) {
      const { at: position, cell } = positionOf(domain, Number(value));
      let sum = 0;
      for (const kernel of kernels)
        sum += cell === undefined ? densityOf(kernel, position) : shareOf(kernel, cell);
      return Math.log(Math.max(LEAST, sum / kernels.length));
    },
  };
}

const LEAST = 1e-300;
/** Of a kernel's deviation: the range itself, and so small a part of it when very many were tried. */
const NARROWEST = 1 / 100;

/** Each as wide as the distance to the farther of its neighbours; one in the middle as wide as the range. */
function kernelsAround(positions: readonly number[]): Kernel[] {
  const means = [...positions, 0.5].sort((a, b) => a - b);
  const narrowest = Math.max(NARROWEST, 1 / (1 + means.length));
  const kernels = means.map((mean, i) => {
    const below = mean - (means[i - 1] ?? 0);
    const above = (means[i + 1] ?? 1) - mean;
    return kernel(mean, Math.min(1, Math.max(narrowest, below, above)));
  });
  kernels[means.indexOf(0.5)] = kernel(0.5, 1);
  return kernels;
}

function kernel(mean: number, deviation: number): Kernel {
  return { mean, deviation, inside: normalBelow((1 - mean) / deviation) - normalBelow(-mean / deviation) };
}

/** A third at least of every kernel lies inside. */
const TRIES = 100;

function drawn({ mean, deviation }: Kernel, stream: RandomStream): number {
  for (let i = 0; i < TRIES; i += 1) {
    const position = mean + deviation * stream.normal();
    if (position >= 0 && position <= 1) return position;
  }
  return stream.uniform();
}

/** 1 / √(2π). */
const NORMAL_PEAK = 0.3989422804014327;

function densityOf({ mean, deviation, inside }: Kernel, position: number): number {
  const z = (position - mean) / deviation;
  return (NORMAL_PEAK * Math.exp(-0.5 * z * z)) / (deviation * inside);
}

function shareOf({ mean, deviation, inside }: Kernel, [from, to]: [number, number]): number {
  return (normalBelow((to - mean) / deviation) - normalBelow((from - mean) / deviation)) / inside;
}

/**
 * Share of a normal distribution below z, with an error below 1e-7: M. Abramowitz, I. Stegun, "Handbook of mathematical
 * functions", 26.2.17.
 */
export function normalBelow(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const tail =
    NORMAL_PEAK *
    Math.exp(-0.5 * z * z) *
    t *
    (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return z > 0 ? 1 - tail : tail;
}
