/** How metrics are named and written for people, and what can be said of one by its name. */
import { metricName, metricParts } from "../../../shared/config/objectives.js";
import type { MetricValues } from "../../../shared/records/sweep-line.js";
import { percent, strengthText } from "../report/format.js";

/** Shares of images: written in percent, with an interval over the images. */
const SHARES = /^(clean$|accuracy\(|error\(|worst\()/;
/** Between 0 and 1 as well, but no share of images. */
const OTHER_UNIT_METRICS = /^(area|auroc)\(/;
/** Digits of what is no share: leads are small. */
const DIGITS = 4;

export function isShare(metric: string): boolean {
  return SHARES.test(metric);
}

/** What it cannot be below or above. */
export function boundsOf(metric: string): { least: number; most: number } {
  const isUnit = isShare(metric) || OTHER_UNIT_METRICS.test(metric);
  // No loss is below 0: worker/core/losses.
  return { least: isUnit || metric === "loss" ? 0 : -Infinity, most: isUnit ? 1 : Infinity };
}

/** "97.3" for a share, "0.7132" for an area, three digits of a loss. */
export function metricText(metric: string, value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (isShare(metric)) return percent(value);
  if (OTHER_UNIT_METRICS.test(metric)) return value.toFixed(DIGITS);
  return String(Number(value.toPrecision(DIGITS)));
}

/** The same with its unit, for sentences. */
export function metricPhrase(metric: string, value: number | undefined): string {
  const text = metricText(metric, value);
  return isShare(metric) && text !== "–" ? `${text} %` : text;
}

/** The name with its strength in few digits: 8/255 has seventeen. */
export function metricLabel(metric: string): string {
  if (!metric.includes(".")) return metric;
  const { strength, ...parts } = metricParts(metric);
  return metricName({
    ...parts,
    ...(strength === undefined ? {} : { strength: Number(strengthText(strength)) }),
  });
}

/** As the head of a column. */
export function metricHeading(metric: string): string {
  return isShare(metric) ? `${metricLabel(metric)} %` : metricLabel(metric);
}

export interface StrengthSeries {
  /** "adversarial", "pgd-40, l2". */
  series: string;
  /** Ascending. */
  strengths: { strength: number; metric: string }[];
}

/** The series of which the accuracy is known at several strengths. */
export function strengthSeries(metrics: Iterable<string>): StrengthSeries[] {
  const found = new Map<string, StrengthSeries["strengths"]>();
  for (const metric of metrics) {
    if (!metric.startsWith("accuracy(")) continue;
    const { series = "", norm = "linf", strength = NaN } = metricParts(metric);
    const name = norm === "linf" ? series : `${series}, ${norm}`;
    const strengths = found.get(name) ?? [];
    strengths.push({ strength, metric });
    found.set(name, strengths);
  }
  return [...found]
    .filter(([, strengths]) => strengths.length > 1)
    .map(([series, strengths]) => ({
      series,
      strengths: strengths.sort((a, b) => a.strength - b.strength),
    }));
}

/** Names of all metrics that any of these reports, in the order in which they come up. */
export function metricNames(all: Iterable<MetricValues>): string[] {
  const names = new Set<string>();
  for (const metrics of all) for (const name of Object.keys(metrics)) names.add(name);
  return [...names];
}
