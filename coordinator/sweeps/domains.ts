/** What one parameter may be: how many values, which one, and where a value lies. */
import { at } from "../../shared/core/at.js";
import type { Parameter, SettingValue } from "../../shared/config/sweep.js";

export type Domain = ValuesDomain | RangeDomain;

export interface ValuesDomain {
  kind: "values";
  /** Each once. */
  values: readonly SettingValue[];
}

export interface RangeDomain {
  kind: "range";
  from: number;
  to: number;
  isLog: boolean;
  isInt: boolean;
  /** Values lie so far apart; of whole numbers always. */
  step?: number;
}

/** `start`: where a repeated parameter counts from. */
export function domainOf(parameter: Parameter, start = 0): Domain {
  if ("choice" in parameter) return { kind: "values", values: parameter.choice };
  if ("grid" in parameter) return { kind: "values", values: parameter.grid };
  if ("repeat" in parameter)
    return {
      kind: "range",
      from: start,
      to: start + parameter.repeat - 1,
      isLog: false,
      isInt: true,
      step: 1,
    };
  const [from, to] = parameter.range;
  const isInt = parameter.type === "int";
  const step = parameter.step ?? (isInt ? 1 : undefined);
  return {
    kind: "range",
    from,
    to,
    isLog: parameter.scale === "log",
    isInt,
    ...(step === undefined ? {} : { step }),
  };
}

/** Different values; infinite for a range without steps. */
export function sizeOf(domain: Domain): number {
  if (domain.kind === "values") return domain.values.length;
  const { from, to, step } = domain;
  return step === undefined ? Infinity : stepsIn(to - from, step) + 1;
}

/** Whole steps in a length, which rounding may have made a little short. */
function stepsIn(length: number, step: number): number {
  return Math.max(0, Math.floor(length / step + 1e-9));
}

/** The value at a place, of a domain with finitely many. */
export function valueAt(domain: Domain, place: number): SettingValue {
  if (domain.kind === "values") return at(domain.values, place);
  const { from, step = 1 } = domain;
  // 0.1 + 2 × 0.1 is 0.3 for whoever wrote the range.
  return Number((from + place * step).toPrecision(12));
}

/** The value that a number drawn from (0, 1) stands for. */
export function valueOf(domain: Domain, unit: number): SettingValue {
  if (domain.kind === "values") return valueAt(domain, placeOf(unit, domain.values.length));
  if (domain.step !== undefined && !domain.isLog) return valueAt(domain, placeOf(unit, sizeOf(domain)));
  return valueInScale(domain, unit);
}

function placeOf(unit: number, size: number): number {
  return Math.min(size - 1, Math.floor(unit * size));
}

/** Significant digits of what is drawn from a range without steps: more would only make tables and commands unreadable. */
const DIGITS = 6;

/** Scale of a range: 0 at its lower end, 1 at its upper, logarithmic where the range is. A value with steps owns its cell. */
export function valueInScale(domain: RangeDomain, position: number): number {
  const { low, high } = edgesOf(domain);
  const x = low + position * (high - low);
  const value = domain.isLog ? Math.exp(x) : x;
  if (domain.step === undefined) return bounded(domain, Number(value.toPrecision(DIGITS)));
  const place = Math.round((value - domain.from) / domain.step);
  return Number(valueAt(domain, Math.min(sizeOf(domain) - 1, Math.max(0, place))));
}

/** Where a value lies on that scale, and for one with steps where its cell begins and ends. */
export function positionOf(domain: RangeDomain, value: number): { at: number; cell?: [number, number] } {
  const { low, high } = edgesOf(domain);
  const place = (x: number): number => {
    const scaled = domain.isLog ? Math.log(Math.max(x, Number.MIN_VALUE)) : x;
    return Math.min(1, Math.max(0, (scaled - low) / (high - low)));
  };
  if (domain.step === undefined) return { at: place(value) };
  const half = domain.step / 2;
  return { at: place(value), cell: [place(value - half), place(value + half)] };
}

interface Edges {
  low: number;
  high: number;
}

const edges = new WeakMap<RangeDomain, Edges>();

function edgesOf(domain: RangeDomain): Edges {
  const known = edges.get(domain) ?? workedOutEdges(domain);
  edges.set(domain, known);
  return known;
}

function workedOutEdges(domain: RangeDomain): Edges {
  const { from, step, isLog } = domain;
  if (step === undefined) return isLog ? logs(from, domain.to) : { low: from, high: domain.to };
  const last = Number(valueAt(domain, sizeOf(domain) - 1));
  // Half a step below the lowest value may be no number that has a logarithm.
  if (isLog) return logs(Math.max(from - step / 2, from / 2), last + step / 2);
  return { low: from - step / 2, high: last + step / 2 };
}

function logs(from: number, to: number): Edges {
  return { low: Math.log(from), high: Math.log(to) };
}

function bounded({ from, to }: RangeDomain, value: number): number {
  return Math.min(to, Math.max(from, value));
}

/** Is it one of the domain's values? */
export function isIn(domain: Domain, value: SettingValue): boolean {
  if (domain.kind === "values") return domain.values.some((known) => isSame(known, value));
  if (typeof value !== "number" || value < domain.from || value > domain.to) return false;
  if (domain.step === undefined) return true;
  const place = Math.round((value - domain.from) / domain.step);
  return Math.abs(Number(valueAt(domain, place)) - value) <= 1e-9 * Math.max(1, Math.abs(value));
}

export function isSame(a: SettingValue | undefined, b: SettingValue | undefined): boolean {
  if (a === b) return true;
  return typeof a === "object" && typeof b === "object" && JSON.stringify(a) === JSON.stringify(b);
}
