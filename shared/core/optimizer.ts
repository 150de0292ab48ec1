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

/** Values [start, start + sums.length) of the vectors that an update reads and writes. */
export interface UpdateRanges {
  /** Gradient sums; may go on behind the layout's end. */
  sums: Float32Array;
  current: Float32Array;
  velocity: Float32Array;
  /** Receives the new values; may be `current`. */
  next: Float32Array;
  /** Receives the new velocity; may be `velocity`. */
  moved: Float32Array;
}

/**
 * Updates the values of a range that begins at `start`.
 * Weights: v ← m·v − decay·w − Σgradient/n; w ← w + rate·multiplier·v. Moments: r ← 0.95·r + 0.05·Σ(n_slot·moment)/n.
 * Source: METHOD.md 1.6 (MatConvNet's update).
 */
export function updateRange(
  layout: Layout,
  rule: UpdateRule,
  start: number,
  { sums, current, velocity, next, moved }: UpdateRanges,
): void {
  const end = Math.min(start + sums.length, layout.size);
  const perSample = 1 / rule.samples;
  for (const tensor of layout.tensors) {
    const from = Math.max(start, tensor.offset) - start;
    const to = Math.min(end, tensor.offset + tensor.size) - start;
    if (from >= to) continue;
    if (tensor.role === "moment") {
      for (let i = from; i < to; i++) {
        const batch = (sums[i] ?? NaN) * perSample;
        next[i] = (1 - MOMENT_RATE) * (current[i] ?? NaN) + MOMENT_RATE * batch;
        moved[i] = velocity[i] ?? NaN;
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
      sums.subarray(from, to),
      current.subarray(from, to),
      velocity.subarray(from, to),
      next.subarray(from, to),
      moved.subarray(from, to),
    );
  }
}
