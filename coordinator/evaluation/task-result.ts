/** What a worker sends about a task is untrusted: only what fits the task in every size and value is taken. */
import { type Diagnostics, diagnosticsSchema } from "../../shared/diagnostics.js";
import type { saf } from "../../shared/messages.js";
import type { TaskSpec } from "../../shared/records/task.js";
import type { Answers, ImageOutcomes } from "../../shared/records/image-outcomes.js";
import { at } from "../../shared/core/at.js";

interface CheckedResult {
  outcomes: ImageOutcomes[];
  diagnostics?: Diagnostics;
}

/** The outcomes, if every size, strength and class fits the task. */
export function checkedResult(
  task: TaskSpec,
  message: saf.v1.TaskResult,
  outputs: number,
): CheckedResult | undefined {
  if (task.measure.how === "diagnostics") return checkedDiagnostics(message);
  if (message.outcomes.length !== task.strengths.length) return undefined;
  const outcomes: ImageOutcomes[] = [];
  for (const [i, strength] of task.strengths.entries()) {
    const outcome = checkedOutcome(task, strength, at(message.outcomes, i), outputs);
    if (outcome === undefined) return undefined;
    outcomes.push(outcome);
  }
  return { outcomes };
}

/** A field that was not sent. */
const NONE = new Uint8Array();

function checkedOutcome(
  { imageCount }: TaskSpec,
  strength: number,
  outcome: saf.v1.StrengthOutcome.$Properties,
  outputs: number,
): ImageOutcomes | undefined {
  const bytes = (name: keyof Answers | "distances" | "origins"): Uint8Array => outcome[name] ?? NONE;
  const [predictions, confidences, wrong] = [bytes("predictions"), bytes("confidences"), bytes("wrong")];
  const [distances, origins] = [bytes("distances"), bytes("origins")];
  const fits =
    (outcome.strength ?? 0) === strength &&
    predictions.length === imageCount &&
    wrong.length === imageCount &&
    confidences.length === 4 * imageCount &&
    [0, 4 * imageCount].includes(distances.length) &&
    [0, imageCount].includes(origins.length) &&
    predictions.every((prediction) => prediction < outputs) &&
    wrong.every((flag) => flag <= 1);
  if (!fits) return undefined;
  return {
    strength,
    // Copies: decoded bytes are views of the message, and Buffer's own slice would be one too.
    predictions: new Uint8Array(predictions),
    confidences: new Float32Array(new Uint8Array(confidences).buffer),
    wrong: new Uint8Array(wrong),
    distances: new Float32Array(new Uint8Array(distances).buffer),
    origins: new Uint8Array(origins),
  };
}

function checkedDiagnostics({ diagnosticsJson }: saf.v1.TaskResult): CheckedResult | undefined {
  try {
    const parsed = diagnosticsSchema.safeParse(JSON.parse(diagnosticsJson));
    return parsed.success ? { outcomes: [], diagnostics: parsed.data } : undefined;
  } catch {
    return undefined;
  }
}
