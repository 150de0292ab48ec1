/** Conditions between parameters: one is tried only where the others are what its `when` says. */
import type { Condition, SettingValue } from "../../shared/config/sweep.js";
import type { Values } from "../../shared/records/sweep-line.js";
import { type Domain, isIn, sizeOf, valueAt } from "./domains.js";

export type Test = Condition[string];

/** What is said of one parameter. */
export interface Conditional {
  path: string;
  when?: Condition;
}

export function passes(test: Test, value: SettingValue): boolean {
  if (Array.isArray(test)) return test.some((wanted) => wanted === value);
  if (typeof test !== "object") return test === value;
  const { min = -Infinity, max = Infinity } = test;
  return typeof value === "number" && value >= min && value <= max;
}

/** Parameters that the condition names, each with what it must be. */
export function testsOf({ when = {} }: Conditional): [path: string, test: Test][] {
  return Object.entries(when);
}

/** Where another parameter is not tried itself, a condition on it does not hold. */
export function isTried(parameter: Conditional, others: Values): boolean {
  return testsOf(parameter).every(([path, test]) => {
    const value = others[path];
    return value !== undefined && passes(test, value);
  });
}

/** The same parameters, each behind those that its condition names; those of a circle are left out. */
export function inOrder<P extends Conditional>(parameters: readonly P[]): P[] {
  const known = new Set(parameters.map(({ path }) => path));
  const placed: P[] = [];
  const places = new Set<string>();
  for (let before = -1; before < placed.length;) {
    before = placed.length;
    for (const parameter of parameters) {
      const isReady = testsOf(parameter).every(([path]) => !known.has(path) || places.has(path));
      if (places.has(parameter.path) || !isReady) continue;
      places.add(parameter.path);
      placed.push(parameter);
    }
  }
  return placed;
}

/** Parameters that wait for one another, in their order; empty where none do. `a`, `b`, `a`. */
export function circleIn(parameters: readonly Conditional[]): string[] {
  const placed = new Set(inOrder(parameters).map(({ path }) => path));
  const stuck = new Map(parameters.filter(({ path }) => !placed.has(path)).map((one) => [one.path, one]));
  const way: string[] = [];
  let next = [...stuck.keys()][0];
  while (next !== undefined && !way.includes(next)) {
    way.push(next);
    const parameter: Conditional | undefined = stuck.get(next);
    next = parameter === undefined ? undefined : testsOf(parameter).find(([path]) => stuck.has(path))?.[0];
  }
  return next === undefined ? [] : [...way.slice(way.indexOf(next)), next];
}

/** Those of the values that are tried, given `ordered` parameters; what is no parameter stays. */
export function triedValues(
  ordered: readonly Conditional[],
  values: Readonly<Record<string, SettingValue | undefined>>,
): Values {
  const known = new Set(ordered.map(({ path }) => path));
  const tried: Record<string, SettingValue> = {};
  for (const [path, value] of Object.entries(values))
    if (!known.has(path) && value !== undefined) tried[path] = value;
  for (const parameter of ordered) {
    const value = values[parameter.path];
    if (value !== undefined && isTried(parameter, tried)) tried[parameter.path] = value;
  }
  return tried;
}

/** More values are not looked through one by one. */
const MOST_LOOKED_AT = 100_000;

/** One value for each way in which the tests can come out; none where a test is of no value at all. */
export function representatives(domain: Domain, tests: readonly Test[]): SettingValue[] {
  const found = new Map<string, SettingValue>();
  for (const value of candidates(domain, tests)) {
    const outcome = tests.map((test) => (passes(test, value) ? "1" : "0")).join("");
    if (!found.has(outcome)) found.set(outcome, value);
  }
  return [...found.values()];
}

function candidates(domain: Domain, tests: readonly Test[]): SettingValue[] {
  if (domain.kind === "values") return [...domain.values];
  const size = sizeOf(domain);
  if (size <= MOST_LOOKED_AT) return Array.from({ length: size }, (_, place) => valueAt(domain, place));
  const edges = tests.flatMap((test): SettingValue[] => {
    if (Array.isArray(test)) return test;
    if (typeof test !== "object") return [test];
    return [test.min ?? domain.from, test.max ?? domain.to];
  });
  const numbers = [domain.from, domain.to, ...edges.filter((edge) => typeof edge === "number")].sort(
    (a, b) => a - b,
  );
  const between = numbers.slice(1).map((number, i) => (number + (numbers[i] ?? number)) / 2);
  const { step } = domain;
  const onGrid = (value: number): number[] =>
    step === undefined
      ? [value]
      : [Math.floor, Math.ceil].map((round) => Number(valueAt(domain, round((value - domain.from) / step))));
  return [...numbers, ...between].flatMap(onGrid).filter((value) => isIn(domain, value));
}
