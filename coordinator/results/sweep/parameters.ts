/** The parameters of a sweep as tables and plots show them: those in which its trials differ. */
import type { Parameter, SettingValue } from "../../../shared/config/sweep.js";
import type { TrialRow } from "../../../shared/records/sweep-line.js";
import type { SweepResults } from "./data.js";

export interface ShownParameter {
  /** Path of the setting. */
  path: string;
  /** The end of the path that no other parameter has. */
  name: string;
  /** Trials that differ in it alone are one setting under several seeds. */
  isRepeated: boolean;
  /** Between which numbers it lies; absent where its values are taken one by one. */
  range?: { low: number; high: number; isLog: boolean };
  /** Texts of the values, in their order; empty where there is a range. */
  categories: readonly string[];
}

/** More different numbers than these are shown as a range. */
const MOST_CATEGORIES = 12;
/** More different texts than these are gathered behind the last. */
const MOST_TEXTS = 24;
/** Numbers that span so much are shown on a logarithmic axis. */
const WIDE = 100;
export const REST = "others";

/** In the order of the spec; parameters that have one value in all trials are left out. */
export function shownParameters({ spec, rows }: Pick<SweepResults, "spec" | "rows">): ShownParameter[] {
  const values = new Map<string, Map<string, SettingValue>>();
  for (const path of Object.keys(spec.parameters)) values.set(path, new Map());
  for (const row of rows) {
    for (const [path, value] of Object.entries(row.values)) {
      const known = values.get(path) ?? new Map<string, SettingValue>();
      known.set(valueText(value), value);
      values.set(path, known);
    }
  }
  const isConditional = (path: string): boolean => rows.some((row) => row.values[path] === undefined);
  const varying = [...values].filter(
    ([path, known]) => known.size > 1 || (known.size === 1 && isConditional(path)),
  );
  const paths = varying.map(([path]) => path);
  return varying.map(([path, known]) => ({
    path,
    name: shortName(path, paths),
    ...looksOf(spec.parameters[path], known),
  }));
}

function looksOf(
  parameter: Parameter | undefined,
  known: ReadonlyMap<string, SettingValue>,
): Omit<ShownParameter, "path" | "name"> {
  const isRepeated = parameter !== undefined && "repeat" in parameter;
  const numbers = [...known.values()].filter((value) => typeof value === "number");
  const areNumbers = numbers.length === known.size;
  if (areNumbers && numbers.length > (isContinuous(parameter) ? 1 : MOST_CATEGORIES)) {
    const [low, high] = [least(numbers), -least(numbers.map((number) => -number))];
    const isLog =
      parameter !== undefined && "range" in parameter
        ? parameter.scale === "log"
        : low > 0 && high / low >= WIDE;
    return { isRepeated, range: { low, high, isLog: isLog && low > 0 }, categories: [] };
  }
  const texts = areNumbers
    ? numbers.sort((a, b) => a - b).map(valueText)
    : inOrderOf(listedValues(parameter).map(valueText), [...known.keys()]);
  const shown = [...new Set(texts)];
  return {
    isRepeated,
    categories: shown.length <= MOST_TEXTS ? shown : [...shown.slice(0, MOST_TEXTS - 1), REST],
  };
}

/** Few draws of a range are no list of values. */
function isContinuous(parameter: Parameter | undefined): boolean {
  return (
    parameter !== undefined &&
    "range" in parameter &&
    parameter.type === "float" &&
    parameter.step === undefined
  );
}

function listedValues(parameter: Parameter | undefined): readonly SettingValue[] {
  if (parameter === undefined) return [];
  if ("choice" in parameter) return parameter.choice;
  return "grid" in parameter ? parameter.grid : [];
}

function inOrderOf(order: readonly string[], texts: readonly string[]): string[] {
  return [...order.filter((text) => texts.includes(text)), ...texts.filter((text) => !order.includes(text))];
}

/** Of many: spreading ten thousand arguments would overflow the stack. */
export function least(numbers: readonly number[]): number {
  return numbers.reduce((lowest, number) => Math.min(lowest, number), Infinity);
}

export function largest(numbers: readonly number[]): number {
  return numbers.reduce((highest, number) => Math.max(highest, number), -Infinity);
}

/** Of several paths, the end of each that no other one has. */
export function shortNames(paths: readonly string[]): Map<string, string> {
  return new Map(paths.map((path) => [path, shortName(path, paths)]));
}

function shortName(path: string, paths: readonly string[]): string {
  const parts = path.split(".");
  for (let taken = 1; taken < parts.length; taken++) {
    const tail = parts.slice(-taken).join(".");
    if (paths.every((other) => other === path || (other !== tail && !other.endsWith(`.${tail}`))))
      return tail;
  }
  return path;
}

/** Four digits of a number; what has parts as compact JSON. */
export function valueText(value: SettingValue | undefined): string {
  if (value === undefined) return "–";
  if (typeof value === "number") return String(Number(value.toPrecision(4)));
  if (typeof value === "string") return value;
  return value === null ? "none" : JSON.stringify(value);
}

/** "learning_rate=0.05 slots=8": what a trial sets, without what is repeated. */
export function settingsText(row: Pick<TrialRow, "values">, parameters: readonly ShownParameter[]): string {
  return parameters
    .filter(({ path, isRepeated }) => !isRepeated && row.values[path] !== undefined)
    .map(({ path, name }) => `${name}=${valueText(row.values[path])}`)
    .join(" ");
}

/** Where a trial lies between the parameter's ends, in [0, 1]; undefined where it does not set it. */
export function placeOf(parameter: ShownParameter, { values }: Pick<TrialRow, "values">): number | undefined {
  const value = values[parameter.path];
  if (value === undefined) return undefined;
  const { range, categories } = parameter;
  if (range === undefined) return (categoryOf(parameter, value) + 0.5) / categories.length;
  if (typeof value !== "number") return undefined;
  if (range.high === range.low) return 0.5;
  const turned = range.isLog ? Math.log : (number: number): number => number;
  return (turned(value) - turned(range.low)) / (turned(range.high) - turned(range.low));
}

/** Place among the categories; whatever has none of its own counts to the last. */
export function categoryOf({ categories }: ShownParameter, value: SettingValue): number {
  const place = categories.indexOf(valueText(value));
  return place < 0 ? categories.length - 1 : place;
}
