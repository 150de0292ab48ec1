/** SGD with momentum on a range of the flat parameter vector, and the running averages of batch statistics. */
import type { Layout } from "./layout.js";
import { descend } from "./vectors/vector-memory.js";

export interface UpdateRule {
  learningRate: number;
  momentum: number;
  weightDecay: number;
  /** Images behind the gradient sum. */
  samples: number;
}

/** Weight of the newest batch in a running moment: METHOD.md 1.4. */
export const MOMENT_RATE = 0.05;

/**
 * Updates values [start, start + sums.length) of the vector.
 * Weights: v ← m·v − decay·w − Σgradient/n; w ← w + rate·multiplier·v. Moments: r ← 0.95·r + 0.05·Σ(n_slot·moment)/n.
 * `next` receives the new values; `velocity` is changed in place; `current` is only read and may be `next` itself.
 * Source: METHOD.md 1.6 (MatConvNet's update).
 */
export function updateRange(
  layout: Layout,
  rule: UpdateRule,
  start: number,
  sums: Float32Array,
  current: Float32Array,
  velocity: Float32Array,
  next: Float32Array,
): void {
  const end = Math.min(start + sums.length, layout.size);
  const perSample = 1 / rule.samples;
  for (const tensor of layout.tensors) {
    const from = Math.max(start, tensor.offset);
    const to = Math.min(end, tensor.offset + tensor.size);
    if (from >= to) continue;
    if (tensor.role === "moment") {
      for (let i = from; i < to; i++) {
        const batch = (sums[i - start] as number) * perSample;
        next[i] = (1 - MOMENT_RATE) * (current[i] as number) + MOMENT_RATE * batch;
      }
      continue;
    }
    const descent = {
      momentum: rule.momentum,
      decay: tensor.decays ? rule.weightDecay : 0,
      perSample,
      rate: rule.learningRate * tensor.rateMultiplier,
    };
    descend(
      descent,
      sums.subarray(from - start, to - start),
      current.subarray(from, to),
      velocity.subarray(from, to),
      next.subarray(from, to),
    );
  }
}
