/** Outcome per image of given weights under one measure, at each strength; or what a diagnosis found. */
import type { Diagnostics } from "../../shared/diagnostics.js";
import { attackOutcomes } from "./attack.js";
import { corruptionOutcomes } from "./corruption.js";
import { diagnose } from "./diagnosis.js";
import { foreignOutcomes } from "./foreign.js";
import { nonsenseOutcomes } from "./nonsense.js";
import { type StrengthOutcome, pictures } from "./outcome.js";
import { paperOutcomes, realImages } from "./paper.js";
import { answersTo } from "./scoring.js";
import type { EvaluationTask, Subject } from "./task.js";

export interface Findings {
  outcomes: StrengthOutcome[];
  diagnostics?: Diagnostics;
}

/** Throws ClusterError("config") for an attack, an option or a strength that there is not. */
export function evaluateTask(subject: Subject, task: EvaluationTask): Findings {
  const { measure } = task;
  switch (measure.how) {
    case "clean":
      return { outcomes: [cleanOutcome(subject, task)] };
    case "paper":
      return { outcomes: paperOutcomes(subject, task, measure) };
    case "attack":
      return { outcomes: attackOutcomes(subject, task, measure) };
    case "nonsense":
      return { outcomes: nonsenseOutcomes(subject, task, measure) };
    case "foreign":
      if (task.pictures === undefined) throw new RangeError(`The pictures of ${measure.name} did not come`);
      return { outcomes: foreignOutcomes(subject, task, task.pictures) };
    case "corruption":
      return { outcomes: corruptionOutcomes(subject, task, measure.corruption) };
    case "diagnostics":
      return { outcomes: [], diagnostics: diagnose(subject, task, measure.members) };
  }
}

function cleanOutcome({ program, test, mean }: Subject, task: EvaluationTask): StrengthOutcome {
  const inputs = realImages(test, mean, task);
  const labels = test.labels.subarray(task.firstImage, task.firstImage + task.imageCount);
  return {
    strength: 0,
    ...answersTo(program, inputs, labels),
    distances: new Float32Array(),
    origins: new Uint8Array(),
    samples: pictures((at) => inputs[at]! + mean[at % mean.length]!, task, test.imageSize),
  };
}
