/**
 * The paper's hybrid loss on RBF outputs y = exp(−z²), in its stable form: METHOD.md 1.3.
 *   L = α1·[z_c² + log Σ exp(−z_j²)] + α2·(1 − y_c)^p + α3·Σ_{j≠c} y_j^p
 * The first term equals the paper's log S − log y_c but does not underflow when z² is large.
 */
import type { HybridWeights } from "../../../shared/networks/network.js";
import type { Loss } from "./loss.js";

/** log Σ exp(−z_j²). */
function logSum(z: Float32Array, start: number, outputs: number): number {
  let nearest = Infinity;
  for (let j = 0; j < outputs; j++) nearest = Math.min(nearest, z[start + j]! ** 2);
  let sum = 0;
  for (let j = 0; j < outputs; j++) sum += Math.exp(nearest - z[start + j]! ** 2);
  return Math.log(sum) - nearest;
}

export function hybridLoss({ alpha1, alpha2, alpha3, power }: HybridWeights): Loss {
  return {
    value(z, start, outputs, label) {
      const zc = z[start + label]!;
      let loss = alpha1 * (zc * zc + logSum(z, start, outputs));
      loss += alpha2 * (1 - Math.exp(-zc * zc)) ** power;
      if (alpha3 !== 0) {
        for (let j = 0; j < outputs; j++) {
          if (j !== label) loss += alpha3 * Math.exp(-power * z[start + j]! ** 2);
        }
      }
      return loss;
    },
    gradient(z, start, outputs, label, gradient) {
      const normaliser = logSum(z, start, outputs);
      for (let j = 0; j < outputs; j++) {
        const zj = z[start + j]!;
        const share = Math.exp(-zj * zj - normaliser); // of output j in Σ exp(−z²)
        const y = Math.exp(-zj * zj);
        if (j === label) {
          gradient[start + j] = 2 * zj * (alpha1 * (1 - share) + alpha2 * power * (1 - y) ** (power - 1) * y);
        } else {
          gradient[start + j] = -2 * zj * (alpha1 * share + alpha3 * power * y ** power);
        }
      }
    },
    confidence(z, start, _outputs, output) {
      return Math.exp(-(z[start + output]! ** 2));
    },
    answer(z, start, outputs) {
      let best = 0;
      for (let j = 1; j < outputs; j++) {
        if (Math.abs(z[start + j]!) < Math.abs(z[start + best]!)) best = j;
      }
      return best;
    },
  };
}
