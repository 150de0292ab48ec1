/** What a sweep tries: each setting with its type and the values that it may take, as other programs ask for them. Pure. */
import type { Parameter, SettingValue } from "../../../../shared/config/sweep.js";
import type { Cell, CellType } from "../rows.js";
import type { ExportedSweep } from "./exported-sweep.js";

export type Domain =
  | {
      kind: "range";
      type: "float" | "int";
      low: number;
      high: number;
      isLog: boolean;
      step: number | undefined;
    }
  | { kind: "choice"; choices: readonly SettingValue[] };

export interface SweptSetting {
  path: string;
  type: CellType;
  domain: Domain;
  /** Trials that differ only in such settings are one group. */
  isRepeated: boolean;
}

type Source = Pick<ExportedSweep, "spec" | "rows">;

/**
 * In the order of the spec. A domain holds every value that a trial has: of a spec that was changed on the way, and of a
 * population that walked out of its range, too.
 */
export function settingsOf(sweep: Source): SweptSetting[] {
  const { parameters, list = [] } = sweep.spec;
  const seen = new Map<string, SettingValue[]>();
  const listed = gathered(list);
  for (const path of [...Object.keys(parameters), ...listed.keys()]) seen.set(path, []);
  for (const [path, values] of gathered(sweep.rows.map(({ values }) => values))) seen.set(path, values);
  return [...seen].map(([path, values]) => {
    const parameter = parameters[path];
    const domain = domainOf(parameter, distinct([...(listed.get(path) ?? []), ...values]));
    return {
      path,
      type: typeOf(domain),
      domain,
      isRepeated: parameter !== undefined && "repeat" in parameter,
    };
  });
}

/** By path, each in the order in which it comes first. */
function gathered(all: readonly Readonly<Record<string, SettingValue>>[]): Map<string, SettingValue[]> {
  const found = new Map<string, SettingValue[]>();
  for (const values of all) {
    for (const [path, value] of Object.entries(values)) {
      const known = found.get(path);
      if (known === undefined) found.set(path, [value]);
      else known.push(value);
    }
  }
  return found;
}

function distinct(values: readonly SettingValue[]): SettingValue[] {
  return [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
}

const isNumber = (value: SettingValue): value is number => typeof value === "number";

function domainOf(parameter: Parameter | undefined, seen: readonly SettingValue[]): Domain {
  if (parameter !== undefined && seen.every(isNumber)) {
    if ("range" in parameter) return rangeOf(parameter, seen);
    if ("repeat" in parameter && seen.length > 0) {
      const { low, high } = extremes(seen);
      const last = Math.max(high, low + parameter.repeat - 1);
      return { kind: "range", type: "int", low, high: last, isLog: false, step: undefined };
    }
  }
  const named = parameter === undefined ? [] : namedValues(parameter);
  return { kind: "choice", choices: distinct([...named, ...seen]) };
}

function namedValues(parameter: Parameter): readonly SettingValue[] {
  if ("choice" in parameter) return parameter.choice;
  return "grid" in parameter ? parameter.grid : [];
}

type Range = Extract<Parameter, { range: unknown }>;

function rangeOf({ range, scale, type, step }: Range, seen: readonly number[]): Domain {
  const { low, high } = extremes([...range, ...seen]);
  const isLog = scale === "log" && low > 0;
  const domain = {
    kind: "range",
    type: seen.every(Number.isInteger) ? type : "float",
    low,
    high,
    isLog,
  } as const;
  const isOnSteps = step !== undefined && seen.every((value) => isNearWhole((value - low) / step));
  if (step === undefined || !isOnSteps || isLog) return { ...domain, step: undefined };
  // Decimal fractions: 0.1 + 2 · 0.1 is 0.3 here.
  const last = Number((low + Math.floor((high - low) / step + 1e-9) * step).toPrecision(15));
  return { ...domain, high: last, step };
}

/** Of as many as there are: arguments of a call would be too many. */
function extremes(values: readonly number[]): { low: number; high: number } {
  return values.reduce(
    ({ low, high }, value) => ({ low: Math.min(low, value), high: Math.max(high, value) }),
    { low: Infinity, high: -Infinity },
  );
}

function isNearWhole(value: number): boolean {
  return Math.abs(value - Math.round(value)) < 1e-8;
}

function typeOf(domain: Domain): CellType {
  if (domain.kind === "range") return domain.type === "int" ? "integer" : "number";
  const choices = domain.choices.filter((choice) => choice !== null);
  if (choices.length === 0) return "text";
  if (choices.every(Number.isSafeInteger)) return "integer";
  if (choices.every(isNumber)) return "number";
  return choices.every((choice) => typeof choice === "boolean") ? "boolean" : "text";
}

/** A value in a column of the setting's type; lists and mappings as JSON. No value and `null` are an empty cell. */
export function cellOf(value: SettingValue | undefined, type: CellType): Cell {
  if (value === undefined || value === null) return null;
  if (type !== "text" && (typeof value === "number" || typeof value === "boolean")) return value;
  return textOf(value);
}

export function textOf(value: SettingValue): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
