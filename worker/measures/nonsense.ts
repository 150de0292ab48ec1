/** Answers to images that show nothing, as they are or moved toward a real class; to claim a real class is the error. */
import { attackNamed } from "../../shared/attacks.js";
import type { NonsenseMeasure } from "../../shared/measures.js";
import { nonsenseStart } from "../core/nonsense-starts.js";
import { distance } from "../core/perturbation.js";
import { attackedModel } from "../attacks/attacked-model.js";
import { runAttack } from "../attacks/registry.js";
import type { EvaluationTask, Subject } from "./task.js";
import { unitAnswers, unitImages } from "./attack.js";
import { type StrengthOutcome, pictures } from "./outcome.js";

export function nonsenseOutcomes(
  { program, test, mean }: Subject,
  task: EvaluationTask,
  { start, member }: NonsenseMeasure,
): StrengthOutcome[] {
  const size = test.imageSize;
  const starts = new Float32Array(task.imageCount * size);
  for (let i = 0; i < task.imageCount; i++) {
    const out = starts.subarray(i * size, (i + 1) * size);
    const index = task.firstImage + i;
    nonsenseStart(start, task.seed, index, program.network.input.channels, out, unitImages(test, index, 1));
  }
  const model = attackedModel(program, mean);
  return task.strengths.map((strength) => {
    const images =
      member === undefined
        ? starts
        : runAttack(attackNamed(member.attack), {
            model,
            images: starts,
            labels: new Uint8Array(task.imageCount),
            indices: Uint32Array.from({ length: task.imageCount }, (_, i) => task.firstImage + i),
            seed: task.seed,
            norm: "linf",
            epsilon: strength,
            options: member.options,
          }).images;
    return {
      strength,
      ...unitAnswers(program, mean, images, null),
      distances: Float32Array.from({ length: task.imageCount }, (_, i) =>
        distance("linf", size, images, starts, i),
      ),
      origins: new Uint8Array(),
      samples: pictures((at) => 255 * images[at]!, task, size),
    };
  });
}
