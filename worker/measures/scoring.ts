/** What a network answers, how sure it is, and whether that counts as an error: METHOD.md 1.11. */
import type { PaperSwitches } from "../../shared/measures.js";
import type { Network } from "../../shared/networks/network.js";
import { lossOf } from "../core/losses/registry.js";
import type { Program } from "../engine/program.js";

/** Arrays of one entry an image. */
export interface Answers {
  predictions: Uint8Array;
  /** The network's own confidence in its answer: RBF value, or softmax probability. */
  confidences: Float32Array;
  /** 1 where the answer counts as an error. */
  wrong: Uint8Array;
}

export type Scoring = Pick<PaperSwitches, "threshold" | "ties">;
/** How answers are scored outside the paper's protocol. */
export const STABLE_SCORING: Scoring = { threshold: "probability", ties: "stable" };

/** Images are measured in pieces of this size: large enough for the engine, small enough for the cache. */
export const MEASURE_BATCH = 100;

/**
 * Shows images (mean subtracted, pixels 0..255) to the network. `labels` null: the images show nothing, and the error is
 * to claim a real class.
 */
export function answersTo(
  program: Program,
  inputs: Float32Array,
  labels: Uint8Array | null,
  scoring: Scoring = STABLE_SCORING,
): Answers {
  const { network } = program;
  const { height, width, channels } = network.input;
  const imageSize = height * width * channels;
  const count = inputs.length / imageSize;
  const answers: Answers = {
    predictions: new Uint8Array(count),
    confidences: new Float32Array(count),
    wrong: new Uint8Array(count),
  };
  for (let first = 0; first < count; first += MEASURE_BATCH) {
    const end = Math.min(first + MEASURE_BATCH, count);
    const z = program.predict(inputs.slice(first * imageSize, end * imageSize));
    score(network, z, first, labels, scoring, answers);
  }
  return answers;
}

/** Writes the answers that outputs z [images x outputs] give from image `first` on. */
function score(
  network: Network,
  z: Float32Array,
  first: number,
  labels: Uint8Array | null,
  scoring: Scoring,
  { predictions, confidences, wrong }: Answers,
): void {
  const { outputs } = network;
  const loss = lossOf(network.head);
  for (let row = 0; row * outputs < z.length; row++) {
    const [i, start] = [first + row, row * outputs];
    const answer =
      network.head.kind === "rbf" && scoring.ties === "released"
        ? largestRbf(z, start, outputs)
        : loss.answer(z, start, outputs);
    const confidence = loss.confidence(z, start, outputs, answer);
    predictions[i] = answer;
    confidences[i] = confidence;
    const level =
      network.head.kind === "softmax" && scoring.threshold === "released" ? z[start + answer]! : confidence;
    wrong[i] = Number(labels === null ? claimsClass(network, answer, level) : answer !== labels[i]);
  }
}

/** The first of the largest exp(−z²) as single precision holds them: all of them are 0 beyond z² of about 103. */
function largestRbf(z: Float32Array, start: number, outputs: number): number {
  const value = (j: number): number => Math.fround(Math.exp(-(z[start + j]! ** 2)));
  let best = 0;
  for (let j = 1; j < outputs; j++) if (value(j) > value(best)) best = j;
  return best;
}

/** Does the network claim to see a real class in nonsense? Nets without nonsense classes do above 0.5. */
function claimsClass(network: Network, answer: number, level: number): boolean {
  return network.outputs > network.realClasses ? answer < network.realClasses : level > 0.5;
}
