/** What a rule of early stopping sees and says. Rules are pure: the same rungs give the same verdict. */
import type { Objective } from "../../../shared/config/objectives.js";
import type { Ranked } from "../ranked.js";

/** A trial as it was measured at a rung below its last. */
export interface Contender {
  readonly trial: string;
  /** Of two that are equally good, the earlier trial comes first. */
  readonly number: number;
  /** The compared metric, turned so that less is better; Infinity where it is no number. */
  readonly loss: number;
  /** Over this rung and those before: the least, and the mean. */
  readonly best: number;
  readonly mean: number;
}

export interface Rung {
  readonly rung: number;
  /** Training images seen there. */
  readonly samples: number;
  /** All that were measured here and have not failed since; best first. */
  readonly measured: Ranked<Contender>;
  /** The same by their means. */
  readonly byMean: Ranked<Contender>;
  /** Those of them that nothing is decided on yet; best first. */
  readonly waiting: Ranked<Contender>;
  /** So many of `measured` went on. */
  readonly gone: number;
}

export interface Outlook {
  /** At most so many trials come to the first rung; Infinity while nothing bounds them. */
  readonly trials: number;
  /** Nothing is under way, and the search makes no more. */
  readonly isOver: boolean;
}

export interface Verdict {
  readonly rung: number;
  readonly contender: Contender;
  readonly decision: "go on" | "stop";
  /** In words. */
  readonly reason: string;
  /** population: a new trial takes its place, with the state of this one at this rung; `worth`, what that has there. */
  readonly parent?: Contender & { readonly worth: string };
}

export interface Pruner {
  /** The next trial at this rung on which can be decided now. Asked again until there is none. */
  verdict(rung: Rung, rungs: readonly Rung[], outlook: Outlook): Verdict | undefined;
  /** A trial to go on, now that something may begin. */
  promotion(rungs: readonly Rung[], outlook: Outlook): Verdict | undefined;
  /** May a later trial begin with the state of this one at this rung? */
  isParent(rung: Rung, contender: Contender, outlook: Outlook): boolean;
}

/** What is compared at a rung. */
export interface Comparison extends Objective {
  /** Of all trials one in so many goes on. */
  factor: number;
}

export const byLoss = (a: Contender, b: Contender): number => order(a.loss, b.loss) || a.number - b.number;
export const byMean = (a: Contender, b: Contender): number => order(a.mean, b.mean) || a.number - b.number;

/** Infinities are equal to themselves. */
function order(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** "area(adversarial) 0.41" */
export function metricWords({ metric, goal }: Comparison, loss: number): string {
  return `${metric} ${valueWords(goal, loss)}`;
}

export function valueWords(goal: Comparison["goal"], loss: number): string {
  return Number.isFinite(loss)
    ? String(Number((goal === "minimize" ? loss : 0 - loss).toPrecision(4)))
    : "no number";
}

/** "12th of 18 at rung 1 (60,000 images)" */
export function placeWords(rung: Rung, contender: Contender): string {
  const { measured } = rung;
  return `${ordinal(measured.rankOf(contender) + 1)} of ${grouped(measured.size)} at ${rungWords(rung)}`;
}

export function rungWords({ rung, samples }: Rung): string {
  return `rung ${rung} (${grouped(samples)} images)`;
}

/** "1,234,567" */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

/** "1st", "12th", "23rd" */
export function ordinal(value: number): string {
  const teens = value % 100 >= 11 && value % 100 <= 13;
  const ending = teens ? "th" : (["th", "st", "nd", "rd"][value % 10] ?? "th");
  return `${grouped(value)}${ending}`;
}

/** A trial of which no rule can know how good it is. */
export function withoutNumber(rung: Rung, comparison: Comparison): Verdict | undefined {
  const contender = rung.waiting.last;
  if (contender === undefined || contender.loss !== Infinity) return undefined;
  const reason = `no ${comparison.metric} at ${rungWords(rung)}: it is not a number, or was not measured`;
  return { rung: rung.rung, contender, decision: "stop", reason };
}
