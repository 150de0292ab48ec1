/** Softmax cross-entropy: log Σ exp(z_j) − z_c. */
import type { Loss } from "./loss.js";

/** log Σ exp(z_j). The largest term is taken out first, or exp would overflow. */
export function logSumExp(z: Float32Array, start: number, outputs: number): number {
  let largest = -Infinity;
  for (let j = 0; j < outputs; j++) largest = Math.max(largest, z[start + j] as number);
  let sum = 0;
  for (let j = 0; j < outputs; j++) sum += Math.exp((z[start + j] as number) - largest);
  return largest + Math.log(sum);
}

export const softmaxCrossEntropy: Loss = {
  value(z, start, outputs, label) {
    return logSumExp(z, start, outputs) - (z[start + label] as number);
  },
  gradient(z, start, outputs, label, gradient) {
    const normaliser = logSumExp(z, start, outputs);
    for (let j = 0; j < outputs; j++) {
      gradient[start + j] = Math.exp((z[start + j] as number) - normaliser) - (j === label ? 1 : 0);
    }
  },
  confidence(z, start, outputs, output) {
    return Math.exp((z[start + output] as number) - logSumExp(z, start, outputs));
  },
  answer(z, start, outputs) {
    let best = 0;
    for (let j = 1; j < outputs; j++) if ((z[start + j] as number) > (z[start + best] as number)) best = j;
    return best;
  },
};
