/** The records of an evaluation put together: per series and strength, what became of every image. */
import { ATTACKS, attackNamed } from "../../shared/attacks.js";
import { type AttackCall, type AttackMeasure, type Measure, ORIGINS } from "../../shared/measures.js";
import type { ImageOutcomes } from "../../shared/records/image-outcomes.js";
import type { TaskSpec } from "../../shared/records/task.js";
import { type PerturbationKind, type SeriesLabel, seriesOf } from "../../shared/results.js";
import { at } from "../../shared/core/at.js";

/** A record, as far as it is needed here. */
export interface RangeOutcomes {
  task: Pick<TaskSpec, "kind" | "protocol" | "attack" | "norm" | "measure" | "firstImage" | "imageCount">;
  outcomes: readonly ImageOutcomes[];
}

export interface ImageSeries {
  key: string;
  label: SeriesLabel & { kind: PerturbationKind };
  measure: Measure;
  /** Strengths rising; images 0 to n - 1 in each. */
  points: ImageOutcomes[];
  n: number;
}

/** Series as they first came. Their images must lie behind one another from 0 on; a series with a hole is left out. */
export function seriesFrom(records: readonly RangeOutcomes[]): ImageSeries[] {
  const groups = new Map<string, RangeOutcomes[]>();
  for (const record of records) {
    const key = seriesOf(record.task);
    groups.set(key, [...(groups.get(key) ?? []), record]);
  }
  return [...groups].flatMap(([key, group]) => {
    const ordered = [...group].sort((a, b) => a.task.firstImage - b.task.firstImage);
    const [first] = ordered;
    if (first === undefined || hasHole(ordered)) return [];
    const points = first.outcomes.map((outcome, s) =>
      joined(
        outcome.strength,
        ordered.map(({ outcomes }) => at(outcomes, s)),
      ),
    );
    points.sort((a, b) => a.strength - b.strength);
    const n = ordered.reduce((sum, { task }) => sum + task.imageCount, 0);
    return [{ key, label: first.task, measure: first.task.measure, points, n }];
  });
}

function hasHole(ordered: readonly RangeOutcomes[]): boolean {
  let next = 0;
  return ordered.some(({ task, outcomes }) => {
    const fits = task.firstImage === next && outcomes.length === ordered[0]?.outcomes.length;
    next += task.imageCount;
    return !fits;
  });
}

function joined(strength: number, parts: readonly ImageOutcomes[]): ImageOutcomes {
  return {
    strength,
    predictions: Uint8Array.from(parts.flatMap((part) => [...part.predictions])),
    confidences: Float32Array.from(parts.flatMap((part) => [...part.confidences])),
    wrong: Uint8Array.from(parts.flatMap((part) => [...part.wrong])),
    distances: Float32Array.from(parts.flatMap((part) => [...part.distances])),
    origins: Uint8Array.from(parts.flatMap((part) => [...part.origins])),
  };
}

export function isAttack(series: ImageSeries): series is ImageSeries & { measure: AttackMeasure } {
  return series.measure.how === "attack";
}

/** The series' only attack. */
export function onlyMember(series: ImageSeries): AttackCall | undefined {
  if (!isAttack(series) || series.measure.members.length !== 1) return undefined;
  return series.measure.members[0];
}

export function isWhiteBox({ attack }: AttackCall): boolean {
  return ATTACKS[attackNamed(attack)].access === "white-box";
}

export function isMinimal({ attack }: AttackCall): boolean {
  return "minimal" in ATTACKS[attackNamed(attack)];
}

/**
 * Images that a member for which `counts` holds broke, at this strength or at a smaller one, whose ball lies inside.
 * Images that were wrong at first are not among them.
 */
export function brokenBy(
  series: ImageSeries & { measure: AttackMeasure },
  strength: number,
  counts: (member: AttackCall) => boolean,
): Uint8Array {
  const broken = new Uint8Array(series.n);
  for (const point of series.points) {
    if (point.strength > strength) continue;
    point.origins.forEach((origin, i) => {
      const member = series.measure.members[origin - ORIGINS.member];
      if (member !== undefined && counts(member)) broken[i] = 1;
    });
  }
  return broken;
}
