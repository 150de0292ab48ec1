/** Picks from curves what a table, a plot or a sentence shows. */
import { PERTURBATION_KINDS, procedureOf, seriesOf } from "../../../shared/results.js";
import type { CurvePoint, ModelResult, PerturbationKind, Procedure } from "../../../shared/results.js";

/** The strength at which MNIST results are usually compared: METHOD.md 2.3. */
const USUAL_REFERENCE = 0.25;
/** CIFAR-10's grid ends at the first; the second is its counterpart of 0.25: METHOD.md 1.11 and 2.3. */
const CIFAR_LARGEST = 0.15;
const CIFAR_REFERENCE = 0.05;

/**
 * A kind's points as tables, plots and sentences show them by default: the paper's; without them those of the next
 * procedure, and of several attacks the worst case.
 */
export function mainPoints(model: ModelResult, kind: PerturbationKind): CurvePoint[] {
  const ofKind = model.curves.filter((point) => point.kind === kind);
  const main = ofKind.find(
    (point) => procedureOf(point) !== "modern" || (point.attack === "worst-case" && point.norm === "linf"),
  );
  const first = main ?? ofKind[0];
  return first === undefined ? [] : ofKind.filter((point) => seriesOf(point) === seriesOf(first));
}

/** The kinds that have a strength, in the paper's order. */
export function perturbedKinds(models: readonly ModelResult[]): PerturbationKind[] {
  return PERTURBATION_KINDS.filter(
    (kind) => kind !== "clean" && models.some((model) => model.curves.some((point) => point.kind === kind)),
  );
}

/** One model's points of one kind, weakest first. */
export function curveOf(model: ModelResult, kind: PerturbationKind): CurvePoint[] {
  return mainPoints(model, kind).sort((a, b) => a.strength - b.strength);
}

export function pointAt(
  model: ModelResult,
  kind: PerturbationKind,
  strength: number,
): CurvePoint | undefined {
  return mainPoints(model, kind).find((point) => point.strength === strength);
}

/** All strengths measured for `kinds` by any model, ascending. */
export function strengthsOf(models: readonly ModelResult[], kinds: readonly PerturbationKind[]): number[] {
  const found = new Set<number>();
  for (const model of models) {
    for (const kind of kinds) for (const point of mainPoints(model, kind)) found.add(point.strength);
  }
  return [...found].sort((a, b) => a - b);
}

/**
 * The strength to compare at, of ascending `strengths`: 0.25, or the largest measured below it, or the smallest above
 * 0; on a grid that ends where CIFAR-10's does, 0.05.
 */
export function referenceStrength(strengths: readonly number[]): number | undefined {
  const positive = strengths.filter((strength) => strength > 0);
  if ((positive.at(-1) ?? 0) <= CIFAR_LARGEST && positive.includes(CIFAR_REFERENCE)) return CIFAR_REFERENCE;
  return positive.filter((strength) => strength <= USUAL_REFERENCE).at(-1) ?? positive[0];
}

/**
 * At most `count` of ascending `values`: the `kept` ones, the last and the first, then always the one farthest from
 * all chosen so far, so that the whole range is covered.
 */
export function chooseSpread(
  values: readonly number[],
  count: number,
  kept: readonly number[] = [],
): number[] {
  if (values.length <= count) return [...values];
  const chosen = new Set<number>();
  const distance = (value: number): number =>
    Math.min(...[...chosen].map((other) => Math.abs(other - value)));
  for (const value of [...kept, values.at(-1), values[0]]) {
    if (value !== undefined && chosen.size < count && values.includes(value)) chosen.add(value);
  }
  while (chosen.size < count) {
    const rest = values.filter((value) => !chosen.has(value));
    chosen.add(rest.reduce((best, value) => (distance(value) > distance(best) ? value : best)));
  }
  return values.filter((value) => chosen.has(value));
}

/** The same with the curves of one procedure only; without one in their label they are the paper's. */
export function underProcedure(results: readonly ModelResult[], procedure: Procedure): ModelResult[] {
  return results.map((result) => ({
    ...result,
    curves: result.curves.filter((point) => point.kind === "clean" || procedureOf(point) === procedure),
  }));
}

/** Does anything say that this point, or the whole network's numbers, must not be believed? */
export function isUnreliable(result: ModelResult, point: { unreliable?: string[] }): boolean {
  return (point.unreliable ?? []).length > 0 || (result.unreliable ?? []).length > 0;
}
