/**
 * Can the trials be run, and do they report what is wanted? Some of them are made, evenly over the whole search. What is tried
 * one by one must be possible. A draw here and there whose values cannot go together is a trial that fails with the reason;
 * where these are many, the spec is at fault.
 */
import { ClusterError } from "../../../shared/errors.js";
import type { Config } from "../../../shared/config/run.js";
import type { Values } from "../../../shared/records/sweep-line.js";
import { extentOf } from "../counting.js";
import { metricNamesOf } from "../metrics.js";
import type { ProblemPath, SpaceProblem } from "../problems.js";
import { rungConfig } from "../rungs.js";
import { samplerOf } from "../samplers/registry.js";
import type { Space } from "../space-shape.js";
import { trialOf } from "../trial.js";
import { objectivePaths } from "./wanted.js";

/** So many trials are made. */
const MADE = 128;
/** Share of the draws that may be impossible: a condition (`when`) would keep more of them from being drawn. */
const MOST_WRONG = 0.25;
/** Of trials that cannot be, so many are told. */
const MOST_TOLD = 3;

export function trialProblems(space: Space): SpaceProblem[] {
  const made = sampleOf(space).map((values) => madeOf(space, values));
  const wrong = made.flatMap((one) => ("fault" in one ? [one] : []));
  if (wrong.length > (isInOrder(space) ? 0 : MOST_WRONG * made.length))
    return wrongTrials(space, wrong, made.length);
  const configs = made.flatMap((one) => ("config" in one ? [one.config] : []));
  return [...reportProblems(space, configs), ...stoppingProblems(space, configs)];
}

interface WrongTrial {
  values: Values;
  fault: string;
}

function wrongTrials(space: Space, wrong: readonly WrongTrial[], made: number): SpaceProblem[] {
  const own = madeOf(space, {});
  if ("fault" in own && wrong.some(({ fault }) => fault === own.fault))
    return [{ path: ["base"], message: own.fault }];
  const told = wrong.slice(0, MOST_TOLD).map(({ values, fault }): SpaceProblem => {
    const [path, ...others] = Object.keys(values);
    // A parameter alone is at fault by itself.
    const where = path !== undefined && others.length === 0 ? ["parameters", path] : ["parameters"];
    return { path: where, message: `${valuesText(values)}: ${fault}` };
  });
  if (wrong.length <= MOST_TOLD) return told;
  const more = `of ${made} trials that were looked at, ${wrong.length} cannot be run`;
  return [...told, { path: ["parameters"], message: more }];
}

/** Evenly over a finite search, crossings included; of one that draws, the first draws. */
function sampleOf(space: Space): Values[] {
  const { draws, crossings } = extentOf(space);
  const sampler = samplerOf(space);
  const all = isInOrder(space) ? draws * crossings : Math.min(draws, MADE) * crossings;
  const count = Math.min(all, MADE);
  const numbers = Array.from({ length: count }, (_, i) => Math.floor((i * all) / count));
  return numbers.flatMap((number) => {
    const values = sampler.propose(number, { trials: [] });
    return typeof values === "string" ? [] : [values];
  });
}

function isInOrder({ method }: Space): boolean {
  return method === "grid" || method === "list";
}

function madeOf(space: Space, values: Values): { config: Config } | WrongTrial {
  try {
    return { config: trialOf(space, values, "").config };
  } catch (error) {
    if (error instanceof ClusterError) return { values, fault: error.message.replaceAll("\n", "; ") };
    throw error;
  }
}

function valuesText(values: Values): string {
  const texts = Object.entries(values).map(([path, value]) => `${path} = ${JSON.stringify(value)}`);
  return `a trial with ${texts.join(", ")}`;
}

/** Metrics that no trial reports. */
function reportProblems(space: Space, configs: readonly Config[]): SpaceProblem[] {
  const wanted = [
    ...space.objectives.map(({ metric }, i) => ({
      metric,
      path: objectivePaths(space.spec)[i]?.path ?? ["objective"],
    })),
    ...space.constraints.map(({ metric }, i): { metric: string; path: ProblemPath } => ({
      metric,
      path: ["constraints", i],
    })),
  ];
  return missing(space, { wanted, configs, words: "no trial reports" });
}

interface Question {
  wanted: readonly { metric: string; path: ProblemPath }[];
  configs: readonly Config[];
  words: string;
}

function missing({ sizeOf }: Space, { wanted, configs, words }: Question): SpaceProblem[] {
  const reported = new Set(
    distinct(configs).flatMap((config) => [...metricNamesOf(config, sizeOf(config.data.set))]),
  );
  return wanted
    .filter(({ metric }) => !reported.has(metric))
    .map(({ metric, path }) => ({ path, message: `${words} ${metric}; ${near(metric, reported)}` }));
}

/** Metrics depend on little of a run: one of each kind tells. */
function distinct(configs: readonly Config[]): Config[] {
  const key = ({ data, model, evaluate }: Config): string => JSON.stringify([data.set, model, evaluate]);
  return [...new Map(configs.map((config) => [key(config), config])).values()];
}

const MOST_NAMED = 12;

/** Those of the same quantity and series, then of the same quantity, then all. */
function near(metric: string, reported: ReadonlySet<string>): string {
  const names = [...reported];
  const series = metric.slice(0, Math.max(metric.lastIndexOf(","), 0));
  const quantity = metric.slice(0, metric.indexOf("(") + 1);
  const alike = [series, quantity]
    .filter((start) => start !== "")
    .map((start) => names.filter((name) => name.startsWith(start)))
    .find((found) => found.length > 0);
  const told = alike ?? names;
  const more = told.length > MOST_NAMED ? ` and ${told.length - MOST_NAMED} more` : "";
  return `reported are ${told.slice(0, MOST_NAMED).join(", ")}${more}`;
}

/** What early stopping compares must be there at low rungs, and a rung must lie below some trial's end. */
function stoppingProblems(space: Space, configs: readonly Config[]): SpaceProblem[] {
  const { stopping, spec } = space;
  if (stopping === undefined || spec.stopping === undefined) return [];
  const low = distinctLow(space, configs);
  if (low.length === 0) {
    const longest = Math.max(...configs.map((config) => rungConfig(space, config, 0).samples));
    const message = `the first rung lies behind the end of every trial: the longest sees ${longest.toLocaleString("en")} images`;
    return [{ path: ["stopping", "first_samples"], message }];
  }
  const path = spec.stopping.metric === undefined ? ["stopping"] : ["stopping", "metric"];
  try {
    const wanted = [{ metric: stopping.metric, path }];
    return missing(space, { wanted, configs: low, words: "below the last rung, no evaluation reports" });
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error;
    return [{ path: ["stopping", "evaluate"], message: error.message }];
  }
}

function distinctLow(space: Space, configs: readonly Config[]): Config[] {
  const rungs = configs.map((config) => rungConfig(space, config, 0));
  return rungs.filter(({ last }) => !last).map(({ config }) => config);
}
