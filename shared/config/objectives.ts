/**
 * What a sweep wants, as its spec writes it: metrics by name, objectives, constraints. A metric has one canonical name:
 * `area(pgd-40, l2)`, `accuracy(adversarial, 0.3)`, `worst(0.3)`. coordinator/sweeps/metrics.ts finds their values.
 */
import { suggest } from "../core/suggest.js";
import { ClusterError } from "../errors.js";
import { NORMS, type Norm } from "../results.js";
import type { SweepSpec } from "./sweep.js";

export type Goal = "maximize" | "minimize";

export interface Objective {
  /** Canonical name. */
  metric: string;
  goal: Goal;
}

/** What a trial must reach to be ranked before those that do not. */
export interface Constraint {
  /** As the spec says it: "clean >= 97 %". */
  text: string;
  /** Canonical name. */
  metric: string;
  relation: Relation;
  bound: number;
}

export const RELATIONS = [">=", "<=", ">", "<"] as const;
export type Relation = (typeof RELATIONS)[number];

/** What a metric is made of: a quantity, a series of images and, for one point of it, a strength. */
export interface MetricParts {
  quantity: Quantity;
  series?: string;
  norm?: Norm;
  strength?: number;
}

/** What stands in the brackets behind a quantity. */
const QUANTITIES = {
  clean: [],
  loss: [],
  area: ["SERIES"],
  accuracy: ["SERIES", "STRENGTH"],
  error: ["SERIES", "STRENGTH"],
  auroc: ["SERIES", "STRENGTH"],
  worst: ["STRENGTH"],
} as const satisfies Record<string, readonly ("SERIES" | "STRENGTH")[]>;
export type Quantity = keyof typeof QUANTITIES;

/** "accuracy(SERIES, STRENGTH)" and its like, for help and messages. */
export const METRIC_FORMS: readonly string[] = Object.entries(QUANTITIES).map(([quantity, needs]) =>
  needs.length === 0 ? quantity : `${quantity}(${needs.join(", ")})`,
);

const isQuantity = (text: string): text is Quantity => Object.hasOwn(QUANTITIES, text);
const isNorm = (text: string): text is Norm => NORMS.some((norm) => norm === text);

/** The one name of a metric. Throws ClusterError("config"). */
export function canonicalMetric(text: string): string {
  return metricName(metricParts(text));
}

export function metricName({ quantity, series, norm, strength }: MetricParts): string {
  const inside = [
    ...(series === undefined ? [] : [series]),
    ...(norm === undefined || norm === "linf" ? [] : [norm]),
    ...(strength === undefined ? [] : [String(strength)]),
  ];
  return inside.length === 0 ? quantity : `${quantity}(${inside.join(", ")})`;
}

const METRIC = /^([a-z]+)(?:\((.*)\))?$/;
const SERIES = /^[a-z0-9][a-z0-9-]{0,63}$/;

/** Throws ClusterError("config"). */
export function metricParts(text: string): MetricParts {
  const bare = text.replace(/\s+/g, "").toLowerCase();
  const [, quantity, inside] = METRIC.exec(bare) ?? [];
  if (quantity === undefined || !isQuantity(quantity)) throw unknownMetric(text, quantity ?? bare);
  const needs: readonly string[] = QUANTITIES[quantity];
  const given = inside === undefined ? [] : inside.split(",");
  const series = needs.includes("SERIES") ? given.shift() : undefined;
  const norm = needs.length > 0 && isNorm(given[0] ?? "") ? given.shift() : undefined;
  const strength = needs.includes("STRENGTH") ? strengthIn(given.shift()) : undefined;
  const isWhole =
    given.length === 0 &&
    (inside === undefined) === (needs.length === 0) &&
    (!needs.includes("SERIES") || SERIES.test(series ?? "")) &&
    (!needs.includes("STRENGTH") || strength !== undefined);
  if (!isWhole) throw wrongForm(text, quantity);
  return {
    quantity,
    ...(series === undefined ? {} : { series }),
    ...(norm === undefined || !isNorm(norm) ? {} : { norm }),
    ...(strength === undefined ? {} : { strength }),
  };
}

/** "0.3", or a fraction as in 8/255. */
function strengthIn(text: string | undefined): number | undefined {
  const [, above, below] = /^(\d[\d.e+-]*)(?:\/(\d[\d.]*))?$/.exec(text ?? "") ?? [];
  const strength = Number(above) / (below === undefined ? 1 : Number(below));
  return Number.isFinite(strength) ? strength : undefined;
}

function unknownMetric(text: string, quantity: string): ClusterError {
  const meant = suggest(quantity, Object.keys(QUANTITIES));
  const form = METRIC_FORMS.find((known) => known === meant || known.startsWith(`${meant}(`));
  return new ClusterError(
    "config",
    `unknown metric "${text}"${form === undefined ? `: expected ${METRIC_FORMS.join(", ")}` : `: did you mean ${form}?`}`,
  );
}

function wrongForm(text: string, quantity: Quantity): ClusterError {
  const form = METRIC_FORMS.find((known) => known === quantity || known.startsWith(`${quantity}(`));
  const norm = QUANTITIES[quantity].length === 0 ? "" : "; l2 stands before the strength or at the end";
  return new ClusterError("config", `metric "${text}": expected ${form ?? quantity}${norm}`);
}

/** What is better: more, but for losses and errors. */
export function goalOf(metric: string): Goal {
  return metric === "loss" || metric.startsWith("error(") ? "minimize" : "maximize";
}

/** At least one. Throws ClusterError("config"). */
export function objectivesOf({ objective }: Pick<SweepSpec, "objective">): Objective[] {
  return (Array.isArray(objective) ? objective : [objective]).map(objectiveFrom);
}

/** Throws ClusterError("config"). */
export function objectiveFrom(given: string | { metric: string; goal?: Goal | undefined }): Objective {
  const { metric: text, goal } =
    typeof given === "string" ? { metric: given } : { goal: undefined, ...given };
  const metric = canonicalMetric(text);
  return { metric, goal: goal ?? goalOf(metric) };
}

/** "clean >= 0.97", "clean >= 97 %"; of a rate, what some rate reaches and another does not. Throws ClusterError("config"). */
export function parseConstraint(text: string): Constraint {
  const [, metric, relation, number, percent] =
    /^(.*?)(>=|<=|>|<|≥|≤)\s*(-?\d[\d.e+-]*)\s*(%?)$/.exec(text.trim()) ?? [];
  const bound = Number(number) / (percent === "%" ? 100 : 1);
  if (metric === undefined || relation === undefined || !Number.isFinite(bound))
    throw new ClusterError("config", `constraint "${text}": expected METRIC >= NUMBER, as in clean >= 97 %`);
  const written = relation === "≥" ? ">=" : relation === "≤" ? "<=" : relation;
  const known = RELATIONS.find((one) => one === written) ?? ">=";
  const constraint = { text, metric: canonicalMetric(metric), relation: known, bound };
  refuseNoRate(constraint, Number(number));
  return constraint;
}

/** Each metric but the loss is a rate; percent of a loss mean nothing. `written`: the number as it stands there. */
function refuseNoRate(constraint: Constraint, written: number): void {
  const { text, metric } = constraint;
  if (metric === "loss") {
    if (!text.trim().endsWith("%")) return;
    throw new ClusterError(
      "config",
      `constraint "${text}": the loss is no share, expected a number without %`,
    );
  }
  const [reachedByNone, bound] = [!holds(constraint, 0) && !holds(constraint, 1), constraint.bound];
  if (bound >= 0 && bound <= 1 && !reachedByNone) return;
  const meant =
    bound > 1 && written <= 100 && !text.trim().endsWith("%") ? `; did you mean ${written} %?` : "";
  const why = reachedByNone ? "no trial can meet it" : "every trial meets it";
  throw new ClusterError("config", `constraint "${text}": ${why}: ${metric} lies between 0 and 1${meant}`);
}

/** A metric turned so that less is better; what is no number loses against all. */
export function lossOf({ goal }: Pick<Objective, "goal">, value: number | undefined): number {
  if (value === undefined || !Number.isFinite(value)) return Infinity;
  // Not -0: a zero is a zero.
  return goal === "minimize" ? value : 0 - value;
}

/** What was not measured, or is no number, meets no constraint. */
export function holds({ relation, bound }: Constraint, value: number | undefined): boolean {
  if (value === undefined || Number.isNaN(value)) return false;
  switch (relation) {
    case ">=":
      return value >= bound;
    case "<=":
      return value <= bound;
    case ">":
      return value > bound;
    case "<":
      return value < bound;
  }
}
