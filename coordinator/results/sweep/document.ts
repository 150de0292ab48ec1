/** `results.json`, and what `--json` prints: one stable document. Fields may be added, none changes its meaning. */
import type { Objective } from "../../../shared/config/objectives.js";
import type { Interval } from "../../../shared/core/wilson.js";
import type { TrialRow } from "../../../shared/records/sweep-line.js";
import { type Analysis, type Board, reproduceCommand } from "./analysis.js";
import type { SweepResults } from "./data.js";
import type { Estimate } from "./estimates.js";
import { readingOf, warningsOf } from "./reading.js";
import { type Standing, rungOf } from "./standings.js";

/** Places of each board; all trials stand below `trials`. */
export const SHOWN_PLACES = 50;

export function documentOf(analysis: Analysis): object {
  const { results, counts, basis, boards, samples, samplesUnstopped, importance, claims } = analysis;
  return {
    format: "saf-sweep-results",
    version: 1,
    name: results.spec.name,
    ...(results.spec.title === undefined ? {} : { title: results.spec.title }),
    directory: results.directory,
    code: results.code,
    began: isoOf(results.began),
    until: isoOf(results.until),
    objectives: results.objectives,
    constraints: results.constraints.map(({ text }) => text),
    counts: { trials: results.rows.length, ...counts },
    samples,
    samples_unstopped: samplesUnstopped ?? null,
    ranked: basis,
    reading: readingOf(analysis),
    warnings: warningsOf(analysis),
    leaderboard: boardDocument(boards[0], analysis),
    boards: boards.slice(1).map((board) => boardDocument(board, analysis)),
    importance: importance ?? null,
    ...(claims.length === 0 ? {} : { claims }),
    trials: results.rows.map(trialDocument),
  };
}

/** Seconds since 1970 as ISO 8601 in UTC; what is no time is null. */
export function isoOf(seconds: number): string | null {
  const date = new Date(1000 * seconds);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

function boardDocument({ kind, objectives, standings, behind, lead }: Board, { results }: Analysis): object {
  return {
    by: kind,
    metrics: objectives.map(({ metric }) => metric),
    contenders: standings.length,
    lead:
      lead === undefined
        ? null
        : { difference: lead.difference, within_noise: lead.isNoise ?? null, level: lead.level },
    places: standings.slice(0, SHOWN_PLACES).map((one) => placeDocument(one, objectives, results)),
    ...(kind === "objective" ? { behind: behind.map((one) => placeDocument(one, objectives, results)) } : {}),
  };
}

function placeDocument(standing: Standing, objectives: readonly Objective[], results: SweepResults): object {
  const { best, members } = standing;
  return {
    place: standing.place ?? null,
    rung: rungOf(best),
    trial: best.trial,
    number: best.number,
    trials: members.map(({ trial }) => trial),
    values: best.values,
    metrics: Object.fromEntries(
      objectives.map(({ metric }, i) => [metric, estimateDocument(standing.estimates[i])]),
    ),
    ...(objectives.length > 1 ? { on_front: standing.isOnFront } : {}),
    unmet: standing.unmet,
    weights: best.weights ?? null,
    unreliable: unreliableOf(standing),
    command: reproduceCommand(results, best),
  };
}

/** Reasons of any of its trials, each once. */
export function unreliableOf({ members }: Standing): string[] {
  return [...new Set(members.flatMap(({ unreliable = [] }) => unreliable))];
}

function estimateDocument(estimate: Estimate | undefined): object | null {
  if (estimate === undefined) return null;
  const { value, seeds, overSeeds, overImages } = estimate;
  return { value, seeds, over_seeds: pair(overSeeds), over_images: pair(overImages) };
}

function pair(interval: Interval | undefined): [number, number] | null {
  return interval === undefined ? null : [interval.low, interval.high];
}

export function trialDocument(row: TrialRow): object {
  return {
    trial: row.trial,
    number: row.number,
    group: row.group,
    state: row.state,
    attempt: row.attempt,
    values: row.values,
    metrics: row.metrics,
    samples: row.samples,
    seconds: row.seconds,
    weights: row.weights ?? null,
    unreliable: row.unreliable ?? [],
    reason: row.reason ?? null,
    ...(row.outside === undefined ? {} : { outside: row.outside }),
    ...(row.parent === undefined ? {} : { parent: row.parent }),
    rungs: row.rungs.map(({ measuredImages, ...rung }) => ({
      ...rung,
      measured_images: measuredImages ?? rung.images,
    })),
  };
}
