/** An evaluation task and its findings as messages. */
import { ClusterError } from "../shared/errors.js";
import { type Measure, measureSchema } from "../shared/measures.js";
import type { saf } from "../shared/messages.js";
import type { Measuring } from "./engine/messages.js";
import type { Findings } from "./measures/evaluate.js";
import type { StrengthOutcome } from "./measures/outcome.js";

/** Throws ClusterError("protocol") for a lease that names no measure. */
export function measureOf({
  taskId,
  measureJson,
}: Pick<saf.v1.TaskLease, "taskId" | "measureJson">): Measure {
  try {
    return measureSchema.parse(JSON.parse(measureJson));
  } catch (cause) {
    throw new ClusterError("protocol", `Task ${taskId} names no measure that this worker knows`, { cause });
  }
}

/** What is to be measured behind a stretch; nothing where one of it names no measure: it is leased by itself then. */
export function measuresOf({ measures }: saf.v1.ExclusiveLease): Measuring[] {
  try {
    return measures.map((told) => {
      const { strengths, firstImage, imageCount, sampleCount } = told;
      return {
        measure: measureOf({ taskId: "behind a stretch", measureJson: told.measureJson ?? "" }),
        strengths: strengths ?? [],
        firstImage: firstImage ?? 0,
        imageCount: imageCount ?? 0,
        sampleCount: sampleCount ?? 0,
      };
    });
  } catch {
    return [];
  }
}

type ResultBody = Pick<saf.v1.TaskResult.$Properties, "outcomes" | "samples" | "diagnosticsJson">;

export function resultOf({ outcomes, diagnostics }: Findings, firstImage: number): ResultBody {
  return {
    outcomes: outcomes.map(({ strength, predictions, confidences, wrong, distances, origins }) => ({
      strength,
      predictions,
      confidences: bytesOf(confidences),
      wrong,
      distances: bytesOf(distances),
      origins,
    })),
    samples: outcomes.flatMap((outcome) => samplesOf(outcome, firstImage)),
    ...(diagnostics === undefined ? {} : { diagnosticsJson: JSON.stringify(diagnostics) }),
  };
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Pictures that travel with a result. */
function samplesOf(outcome: StrengthOutcome, firstImage: number): saf.v1.Sample.$Properties[] {
  return outcome.samples.map(({ index, pixels }) => {
    const at = index - firstImage;
    return {
      strength: outcome.strength,
      index,
      prediction: outcome.predictions[at] as number,
      confidence: outcome.confidences[at] as number,
      right: outcome.wrong[at] === 0,
      pixels,
    };
  });
}
