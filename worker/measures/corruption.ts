/** Answers to corrupted images. */
import { type CorruptionName, SEVERITIES, corrupt } from "../core/corruptions.js";
import type { EvaluationTask, Subject } from "./task.js";
import { unitAnswers, unitImages } from "./attack.js";
import { type StrengthOutcome, pictures } from "./outcome.js";

export function corruptionOutcomes(
  { program, test, mean }: Subject,
  task: EvaluationTask,
  corruption: CorruptionName,
): StrengthOutcome[] {
  const size = test.imageSize;
  const labels = test.labels.subarray(task.firstImage, task.firstImage + task.imageCount);
  const clean = unitImages(test, task.firstImage, task.imageCount);
  return task.strengths.map((strength) => {
    const images = new Float32Array(clean.length);
    for (let i = 0; i < task.imageCount; i++) {
      const image = clean.subarray(i * size, (i + 1) * size);
      const severity = Math.round(SEVERITIES * strength);
      const corrupted = corrupt(
        corruption,
        image,
        program.network.input,
        severity,
        task.seed,
        task.firstImage + i,
      );
      images.set(corrupted, i * size);
    }
    return {
      strength,
      ...unitAnswers(program, mean, images, labels),
      // A corruption has no size in a norm.
      distances: new Float32Array(),
      origins: new Uint8Array(),
      samples: pictures((at) => 255 * images[at]!, task, size),
    };
  });
}
