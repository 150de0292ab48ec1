/** Softmax cross-entropy: log Σ exp(z_j) − z_c. */
import type { Loss } from "./loss.js";

/** log Σ exp(z_j). The largest term is taken out first, or exp would overflow. */
export function logSumExp(z: Float32Array, start: number, outputs: number): number {
  let largest = -Infinity;
  for (let j = 0; j < outputs; j++) largest = Math.max(largest, z[start + j]!);
  let sum = 0;
  for (let j = 0; j < outputs; j++) sum += Math.exp(z[start + j]! - largest);
  return largest + Math.log(sum);
}

export const softmaxCrossEntropy: Loss = {
  value(z, start, outputs, label) {
    return logSumExp(z, start, outputs) - z[start + label]!;
  },
  gradient(z, start, outputs, label, gradient) {
    const normaliser = logSumExp(z, start, outputs);
    for (let j = 0; j < outputs; j++) {
      gradient[start + j] = Math.exp(z[start + j]! - normaliser) - (j === label ? 1 : 0);
    }
  },
  confidence(z, start, outputs, output) {
    return Math.exp(z[start + output]! - logSumExp(z, start, outputs));
  },
  answer(z, start, outputs) {
    let best = 0;
    for (let j = 1; j < outputs; j++) if (z[start + j]! > z[start + best]!) best = j;
    return best;
  },
};
