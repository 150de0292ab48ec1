/** Is each parameter one of a setting, with values that the setting takes? */
import { settingAt, type Settings } from "../../../shared/config/laid-settings.js";
import type { Parameter, SettingValue, SweepSpec } from "../../../shared/config/sweep.js";
import type { Config } from "../../../shared/config/run.js";
import type { DataSetName } from "../../../shared/data-set-names.js";
import { domainOf, isSame, sizeOf, valueAt } from "../domains.js";
import { shortText } from "../../../shared/core/short-text.js";
import type { ProblemPath, SpaceProblem } from "../problems.js";
import { isDataSet, modelFault, pathFault, valueProblems } from "../setting-paths.js";

export interface BaseSettings {
  settings: Settings;
  base: Config;
}

export function parameterProblems(spec: SweepSpec, base: BaseSettings): SpaceProblem[] {
  const sets = dataSetsOf(spec, base.base);
  const parameters = Object.entries(spec.parameters);
  return [
    ...parameters.flatMap(([path, parameter]) => {
      const fault = pathFault(path);
      if (fault !== undefined) return [{ path: ["parameters", path], message: fault }];
      const shape = shapeProblems(path, parameter, base.base);
      if (shape.length > 0) return shape;
      const problems = triedProblems(path, parameter, base, sets);
      const isWhole = problems.length > 0 && wouldBeWhole(path, parameter, base, sets);
      if (isWhole)
        return [
          { path: ["parameters", path, "range"], message: `${path} takes whole numbers: add type: int` },
        ];
      return ("range" in parameter ? eachOnce(problems) : problems).slice(0, MOST_OF_ONE);
    }),
    ...overlapProblems(spec),
    ...listProblems(spec, base, sets),
  ];
}

function triedProblems(
  path: string,
  parameter: Parameter,
  base: BaseSettings,
  sets: readonly DataSetName[],
): SpaceProblem[] {
  return candidatesOf(path, parameter, base.base).flatMap((candidate) =>
    settingProblems(candidate, base, sets),
  );
}

/** Is all that is wrong with a range that its numbers are not whole? */
function wouldBeWhole(
  path: string,
  parameter: Parameter,
  base: BaseSettings,
  sets: readonly DataSetName[],
): boolean {
  if (!("range" in parameter) || parameter.type === "int") return false;
  const whole: Parameter = { ...parameter, type: "int" };
  return rangeFaults(whole).length === 0 && triedProblems(path, whole, base, sets).length === 0;
}

/** The values of a range are made here: what is wrong with them is said once, of the first. */
function eachOnce(problems: readonly SpaceProblem[]): SpaceProblem[] {
  const kinds = new Set<string>();
  return problems.filter(({ message }) => {
    const kind = message.replace(/, got .*$/, "");
    return kinds.size < kinds.add(kind).size;
  });
}

/** One setting may be wrong in a thousand values. */
const MOST_OF_ONE = 5;
/** So many values of a range are tried on its setting, evenly over it. */
const MOST_TRIED = 64;

interface Candidate {
  path: string;
  value: SettingValue;
  where: ProblemPath;
}

function candidatesOf(path: string, parameter: Parameter, base: Config): Candidate[] {
  const around = ["parameters", path];
  if ("choice" in parameter)
    return parameter.choice.map((value, i) => ({ path, value, where: [...around, "choice", i] }));
  if ("grid" in parameter)
    return parameter.grid.map((value, i) => ({ path, value, where: [...around, "grid", i] }));
  if ("repeat" in parameter) {
    const start = settingAt(base, path);
    if (!Number.isSafeInteger(start)) return [];
    return [{ path, value: Number(start) + parameter.repeat - 1, where: [...around, "repeat"] }];
  }
  const domain = domainOf(parameter);
  const [from, to] = parameter.range;
  const size = Math.min(sizeOf(domain), MOST_TRIED);
  const values = Array.from({ length: size }, (_, i) => {
    const part = size === 1 ? 0 : i / (size - 1);
    return sizeOf(domain) === Infinity
      ? from + part * (to - from)
      : valueAt(domain, Math.round(part * (sizeOf(domain) - 1)));
  });
  return values.map((value) => ({
    path,
    value,
    where: [...around, "range", ...(value === from ? [0] : value === to ? [1] : [])],
  }));
}

function settingProblems(
  { path, value, where }: Candidate,
  { settings }: BaseSettings,
  sets: readonly DataSetName[],
): SpaceProblem[] {
  const problems = valueProblems(settings, { path, value, where });
  const fault = path === "model" && typeof value === "string" ? modelFault(value, sets) : undefined;
  return fault === undefined ? problems : [...problems, { path: where, message: fault }];
}

/** All that a trial may have: a model need exist on one of them. */
function dataSetsOf({ parameters, list = [] }: SweepSpec, base: Config): DataSetName[] {
  const parameter = parameters["data.set"];
  const tried = parameter !== undefined && "choice" in parameter ? parameter.choice : [];
  const crossed = parameter !== undefined && "grid" in parameter ? parameter.grid : [];
  const listed = list.map((entry) => entry["data.set"]);
  return [...new Set([base.data.set, ...[...tried, ...crossed, ...listed].filter(isDataSet)])];
}

function shapeProblems(path: string, parameter: Parameter, base: Config): SpaceProblem[] {
  const around = ["parameters", path];
  if ("choice" in parameter) return twice(parameter.choice, [...around, "choice"]);
  if ("grid" in parameter) return twice(parameter.grid, [...around, "grid"]);
  if ("repeat" in parameter) {
    const start = settingAt(base, path);
    if (Number.isSafeInteger(start)) return [];
    const message = `${path} is ${shortText(start)} in the base: repeat counts on from a whole number`;
    return [{ path: around, message }];
  }
  return rangeFaults(parameter).map(({ key, message }) => ({ path: [...around, key], message }));
}

function twice(values: readonly SettingValue[], around: ProblemPath): SpaceProblem[] {
  return values.flatMap((value, i) => {
    const first = values.findIndex((other) => isSame(other, value));
    if (first === i) return [];
    return [
      { path: [...around, i], message: `${shortText(value)} is there already, as number ${first + 1}` },
    ];
  });
}

type Range = Extract<Parameter, { range: unknown }>;

function rangeFaults({ range: [from, to], scale, type, step }: Range): { key: string; message: string }[] {
  const faults: { key: string; message: string }[] = [];
  const fault = (key: string, message: string): number => faults.push({ key, message });
  if (from > to) fault("range", `empty: ${from} lies above ${to}`);
  else if (from === to) fault("range", `has the value ${from} only: put it into the base`);
  if (scale === "log" && !(from > 0)) fault("range", `a logarithmic range begins above 0, not at ${from}`);
  if (type === "int" && !(Number.isSafeInteger(from) && Number.isSafeInteger(to)))
    fault("range", `whole numbers begin and end at whole numbers, not at ${from} and ${to}`);
  if (step !== undefined && type === "int" && !Number.isSafeInteger(step))
    fault("step", `whole numbers lie a whole number apart, not ${step}`);
  if (step !== undefined && from < to && step > to - from)
    fault("step", `${step} is more than the range is long, ${Number((to - from).toPrecision(12))}`);
  return faults;
}

/** Two for one setting, or one inside another. */
function overlapProblems({ parameters, list = [] }: SweepSpec): SpaceProblem[] {
  const paths = Object.keys(parameters);
  const inside = paths.flatMap((path) => {
    const around = paths.find((other) => path.startsWith(`${other}.`));
    return around === undefined
      ? []
      : [{ path: ["parameters", path], message: `lies inside "${around}", which is a parameter too` }];
  });
  const listed = list.flatMap((entry, i) =>
    Object.keys(entry).flatMap((key) => {
      const parameter = paths.find((path) => areOne(path, key));
      const other = Object.keys(entry).find((one) => key.startsWith(`${one}.`));
      if (parameter !== undefined)
        return [
          {
            path: ["list", i, key],
            message: `two parameters for one setting: "${parameter}" stands under parameters too`,
          },
        ];
      return other === undefined
        ? []
        : [{ path: ["list", i, key], message: `lies inside "${other}", which is set too` }];
    }),
  );
  return [...inside, ...listed.slice(0, MOST_OF_ONE)];
}

function areOne(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}.`) || b.startsWith(`${a}.`);
}

function listProblems(
  { list = [] }: SweepSpec,
  base: BaseSettings,
  sets: readonly DataSetName[],
): SpaceProblem[] {
  const problems = list.flatMap((entry, i) =>
    Object.entries(entry).flatMap(([path, value]): SpaceProblem[] => {
      const where = ["list", i, path];
      const fault = pathFault(path);
      return fault === undefined
        ? settingProblems({ path, value, where }, base, sets)
        : [{ path: where, message: fault }];
    }),
  );
  return problems.slice(0, MOST_TRIED);
}
