/** What an evaluation plans of each measure: how many images, at which strengths, at what cost; and how it is labelled. */
import type { Measure } from "../../../shared/measures.js";
import type { PerturbationKind, SeriesLabel } from "../../../shared/results.js";

export interface PlannedMeasure {
  measure: Measure;
  /** Rising. */
  strengths: readonly number[];
  /** Test images, from the first on; more than there are means all. */
  images: number;
  /** Cost of an image at all strengths, in forward passes of one image. */
  passes: number;
  /** Pictures of each strength for the report. */
  samples: number;
}

/** Forward passes of a task: a second or two of one core, so that workers end at about the same time. */
const TASK_PASSES = 5000;
const MOST_TASK_IMAGES = 1000;
/** Fewer would leave an engine idle between its calls. */
const LEAST_TASK_IMAGES = 10;

/** Of a result, without its pictures: well below what one message to the coordinator may hold. */
const MOST_RESULT_BYTES = 1_500_000;
/** What a result says of one image at one strength (StrengthOutcome in shared/proto/control.proto). */
const OUTCOME_BYTES = 11;

/** Images of one task. Batches that share statistics stay whole, or their size would decide the outcome. */
export function taskImages({ measure, passes, strengths }: PlannedMeasure): number {
  const fitting = Math.floor(MOST_RESULT_BYTES / (OUTCOME_BYTES * Math.max(1, strengths.length)));
  const wanted = Math.min(fitting, Math.round(TASK_PASSES / Math.max(1, passes)));
  const count = Math.min(MOST_TASK_IMAGES, Math.max(LEAST_TASK_IMAGES, wanted));
  if (measure.how === "diagnostics") return MOST_TASK_IMAGES;
  if (measure.how !== "paper") return count;
  return measure.attack_batch * Math.max(1, Math.round(count / measure.attack_batch));
}

/** A forward pass of one image on the slowest engine of a busy machine, in milliseconds. */
const SLOW_PASS_MS = 10;
const SHORTEST_PATIENCE_MS = 60_000;
const LONGEST_PATIENCE_MS = 3_600_000;

/** How long a worker may take for a task as long as nothing is known about others like it, in milliseconds. */
export function patienceMs({ passes }: PlannedMeasure, images: number): number {
  return Math.min(LONGEST_PATIENCE_MS, Math.max(SHORTEST_PATIENCE_MS, SLOW_PASS_MS * passes * images));
}

/** Where a measure's points belong. */
export function labelOf(measure: Measure): SeriesLabel & { kind: PerturbationKind } {
  switch (measure.how) {
    case "clean":
      return { kind: "clean" };
    case "paper":
      return {
        kind: measure.kind,
        protocol: measure.protocol,
        attack: measure.kind === "noisy" ? "random-signs" : "paper-fgs",
        norm: "linf",
      };
    case "attack":
      return { kind: "adversarial", protocol: "modern", attack: measure.name, norm: measure.norm };
    case "nonsense":
    case "foreign":
      return { kind: "nonsense", protocol: "modern", attack: measure.name, norm: "linf" };
    case "corruption":
      return { kind: "noisy", protocol: "modern", attack: measure.corruption };
    case "diagnostics":
      return { kind: "clean", attack: "diagnostics" };
  }
}
