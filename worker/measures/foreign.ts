/** Answers to images of another data set, made to fit: to claim one of this network's classes is the error. */
import type { EvaluationTask, Subject } from "./task.js";
import { unitAnswers } from "./attack.js";
import { type StrengthOutcome, pictures } from "./outcome.js";

/** Full pixel range. */
const PIXEL_RANGE = 255;

/** `foreign`: all the pictures of the measure, bytes; the task's images are places among them. */
export function foreignOutcomes(
  { program, test, mean }: Subject,
  task: EvaluationTask,
  foreign: Uint8Array,
): StrengthOutcome[] {
  const size = test.imageSize;
  const bytes = foreign.subarray(task.firstImage * size, (task.firstImage + task.imageCount) * size);
  const images = Float32Array.from(bytes, (byte) => byte / PIXEL_RANGE);
  const answers = unitAnswers(program, mean, images, null);
  return task.strengths.map((strength) => ({
    strength,
    ...answers,
    distances: new Float32Array(),
    origins: new Uint8Array(),
    samples: pictures((at) => bytes[at]!, task, size),
  }));
}
