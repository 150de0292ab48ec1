/** Are objectives, constraints and early stopping written as they must be? */
import {
  type Constraint,
  type Objective,
  canonicalMetric,
  goalOf,
  objectiveFrom,
  parseConstraint,
} from "../../../shared/config/objectives.js";
import type { SweepSpec } from "../../../shared/config/sweep.js";
import { ClusterError } from "../../../shared/errors.js";
import type { ProblemPath, SpaceProblem } from "../problems.js";
import { settingNames, unknownSetting, valueProblems } from "../setting-paths.js";

export interface Wanted {
  objectives: Objective[];
  constraints: Constraint[];
  stopping: Objective | undefined;
  problems: SpaceProblem[];
}

export function wantedOf(spec: SweepSpec): Wanted {
  const problems: SpaceProblem[] = [];
  const told = <T>(path: ProblemPath, make: () => T): T[] => {
    try {
      return [make()];
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
      problems.push({ path, message: error.message });
      return [];
    }
  };
  const objectives = objectivePaths(spec).flatMap(({ path, given }) =>
    told(path, () => objectiveFrom(given)),
  );
  objectives.forEach(({ metric }, i) => {
    if (objectives.findIndex((other) => other.metric === metric) < i)
      problems.push({ path: ["objective", i], message: `${metric} is wanted twice` });
  });
  const constraints = spec.constraints.flatMap((text, i) =>
    told(["constraints", i], () => parseConstraint(text)),
  );
  const stopping = told(["stopping", "metric"], () => stoppingOf(spec, objectives[0]));
  return { objectives, constraints, stopping: stopping[0], problems: [...problems, ...earlyProblems(spec)] };
}

/** Each objective with its place in the spec. */
export function objectivePaths({ objective }: SweepSpec): {
  path: ProblemPath;
  given: Parameters<typeof objectiveFrom>[0];
}[] {
  const listed = Array.isArray(objective) ? objective : [objective];
  return listed.map((given, i) => ({
    path: [
      "objective",
      ...(Array.isArray(objective) ? [i] : []),
      ...(typeof given === "string" ? [] : ["metric"]),
    ],
    given,
  }));
}

function stoppingOf({ stopping }: SweepSpec, first: Objective | undefined): Objective | undefined {
  if (stopping === undefined) return undefined;
  if (stopping.metric === undefined)
    return first === undefined ? undefined : { ...first, goal: stopping.goal ?? first.goal };
  const metric = canonicalMetric(stopping.metric);
  return { metric, goal: stopping.goal ?? goalOf(metric) };
}

/** What is wrong with the settings of the evaluation at low rungs. */
function earlyProblems({ stopping }: SweepSpec): SpaceProblem[] {
  const wanted = stopping?.evaluate ?? {};
  const known = settingNames("evaluate");
  return Object.entries(wanted).flatMap(([key, value]): SpaceProblem[] => {
    const where = ["stopping", "evaluate", key];
    if (!known.includes(key)) return [{ path: where, message: unknownSetting(key, known) }];
    if (value === null) return [];
    return valueProblems({}, { path: `evaluate.${key}`, value, where });
  });
}
