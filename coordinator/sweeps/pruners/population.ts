/**
 * Population-based training. The trials that the search makes are the population's first members, and each rung is a meeting.
 * A member that is among the worst share of those that have come to the rung ends there, and a new trial takes its place: it
 * goes on from the state that one of the best share has at this rung, with that one's settings changed a little. Nobody waits
 * for others. Source: M. Jaderberg and others, "Population Based Training of Neural Networks", 2017, arXiv:1711.09846
 * (truncation selection; numbers are perturbed, nothing is drawn anew).
 */
import { RandomStream } from "../../../shared/random.js";
import type { Values } from "../../../shared/records/sweep-line.js";
import { type RangeDomain, sizeOf, valueAt } from "../domains.js";
import type { Space, SpaceParameter } from "../space-shape.js";
import {
  type Comparison,
  type Contender,
  type Outlook,
  type Pruner,
  type Rung,
  type Verdict,
  metricWords,
  placeWords,
  withoutNumber,
} from "./pruner.js";

export interface Exploit {
  /** This share of the members takes over from as many of the best. */
  share: number;
  seed: number;
}

export function population(comparison: Comparison, exploit: Exploit): Pruner {
  return {
    verdict: (rung) => judged(rung, comparison, exploit) ?? withoutNumber(rung, comparison),
    promotion: () => undefined,
    isParent: (rung, contender, outlook) => isParent(rung, contender, outlook, exploit),
  };
}

function judged(rung: Rung, comparison: Comparison, { share, seed }: Exploit): Verdict | undefined {
  const contender = rung.waiting.first;
  if (contender === undefined) return undefined;
  const place = `${placeWords(rung, contender)}: ${metricWords(comparison, contender.loss)}`;
  const members = Math.floor(rung.measured.size * share);
  const isAmongWorst = rung.measured.rankOf(contender) >= rung.measured.size - members;
  if (!isAmongWorst) {
    if (contender.loss === Infinity) return undefined;
    return { rung: rung.rung, contender, decision: "go on", reason: place };
  }
  const drawn = new RandomStream(seed, "population-parent", contender.number, rung.rung).below(members);
  const parent = rung.measured.at(drawn);
  if (parent === undefined || parent.loss === Infinity) return undefined;
  const worth = metricWords(comparison, parent.loss);
  return { rung: rung.rung, contender, decision: "stop", reason: place, parent: { ...parent, worth } };
}

/** While others can come to the rung: is it among the best share, or can it come to be? */
function isParent(
  rung: Rung,
  contender: Contender,
  { trials, isOver }: Outlook,
  { share }: Exploit,
): boolean {
  return (
    !isOver && rung.measured.rankOf(contender) < Math.floor(Math.max(trials, rung.measured.size) * share)
  );
}

/** Settings that a state cannot leave: other weights, other images, or another length. */
const FIXED =
  /^(model|seed|engine|data\..*|network\.channels|train\.(batch_size|slots|limit_images|epochs|max_steps))$/;

/** The numbers that whoever takes over can change: ranges on which no other parameter depends. */
export function explorable({ parameters }: Pick<Space, "parameters">): SpaceParameter[] {
  const asked = new Set(parameters.flatMap(({ when }) => Object.keys(when ?? {})));
  return parameters.filter(
    ({ path, domain }) => domain.kind === "range" && !FIXED.test(path) && !asked.has(path),
  );
}

/** So often other settings are looked for, where those found are there already. */
export const TURNS = 16;

/** The values, each number that can be changed multiplied or divided by `perturb` and kept in its range. */
export function explored(
  space: Pick<Space, "spec" | "parameters">,
  values: Values,
  member: Pick<Contender, "number">,
  { rung, turn }: { rung: number; turn: number },
): Values {
  const stream = new RandomStream(
    space.spec.search.seed,
    "population-settings",
    member.number,
    rung * TURNS + turn,
  );
  const factor = space.spec.stopping?.perturb ?? 1.2;
  const changed = explorable(space).flatMap(({ path, domain }) => {
    const isUp = stream.uniform() < 0.5;
    const value = values[path];
    if (domain.kind !== "range" || typeof value !== "number") return [];
    return [[path, moved(value, isUp ? factor : 1 / factor, domain)] as const];
  });
  return { ...values, ...Object.fromEntries(changed) };
}

/** A value with steps moves by one at least. */
function moved(value: number, factor: number, domain: RangeDomain): number {
  const { from, to, step } = domain;
  const target = value * factor;
  if (step === undefined) return Math.min(to, Math.max(from, Number(target.toPrecision(DIGITS))));
  const before = Math.round((value - from) / step);
  const after = Math.round((target - from) / step);
  const place = after === before ? before + (target > value ? 1 : -1) : after;
  return Number(valueAt(domain, Math.min(sizeOf(domain) - 1, Math.max(0, place))));
}

/** Significant ones: more would only make tables unreadable. */
const DIGITS = 6;
