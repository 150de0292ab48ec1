/** Losses that an attacker drives up: plain arithmetic on logits, a few numbers per image. */
import type { Head } from "../../shared/networks/network.js";
import { logSumExp } from "./losses/softmax-cross-entropy.js";

/** Loss of image i from its row of `logits`; ∂loss/∂logits of that row is written to `gradient`, at the same place. */
export type LogitLoss = (logits: Float32Array, i: number, gradient: Float32Array) => number;

/** The answer: index of the largest logit, the first of equals. */
export function answerOf(logits: Float32Array, i: number, outputs: number): number {
  const start = i * outputs;
  let best = 0;
  for (let j = 1; j < outputs; j++) {
    if (logits[start + j]! > logits[start + best]!) best = j;
  }
  return best;
}

/** −log softmax of class c; `sign` −1 drives an image toward the class instead of away from it. */
export function crossEntropy(classes: Uint8Array, outputs: number, sign: 1 | -1 = 1): LogitLoss {
  return (logits, i, gradient) => {
    const start = i * outputs;
    const label = classes[i]!;
    const normaliser = logSumExp(logits, start, outputs);
    for (let j = 0; j < outputs; j++) {
      const share = Math.exp(logits[start + j]! - normaliser);
      gradient[start + j] = sign * (share - (j === label ? 1 : 0));
    }
    return sign * (normaliser - logits[start + label]!);
  };
}

/** Largest wrong logit over the true one: Carlini and Wagner 2017, arXiv:1608.04644. Above 0 the image is broken. */
export function margin(labels: Uint8Array, outputs: number): LogitLoss {
  return (logits, i, gradient) => {
    const start = i * outputs;
    const label = labels[i]!;
    const rival = largestBut(logits, start, outputs, label);
    gradient.fill(0, start, start + outputs);
    gradient[start + rival] = 1;
    gradient[start + label] = -1;
    return logits[start + rival]! - logits[start + label]!;
  };
}

/** Logit of class t over that of class c. */
export function difference(labels: Uint8Array, targets: Uint8Array, outputs: number): LogitLoss {
  return (logits, i, gradient) => {
    const [start, label, target] = [i * outputs, labels[i]!, targets[i]!];
    gradient.fill(0, start, start + outputs);
    gradient[start + target] = 1;
    gradient[start + label] = -1;
    return logits[start + target]! - logits[start + label]!;
  };
}

/** Index of the largest logit that is not `excluded`. */
export function largestBut(logits: Float32Array, start: number, outputs: number, excluded: number): number {
  let best = excluded === 0 ? 1 : 0;
  for (let j = best + 1; j < outputs; j++) {
    if (j !== excluded && logits[start + j]! > logits[start + best]!) best = j;
  }
  return best;
}

/** Keeps the quotients finite where all logits are equal. */
const TINY = 1e-12;

/**
 * Difference of logits ratio, (max_{j≠c} l_j − l_c) / (l_(1) − l_(3)), l_(k) the k-th largest: Croce and Hein 2020,
 * arXiv:2003.01690. Shifts and scales of the logits do not change it. Needs three outputs.
 */
export function logitsRatio(labels: Uint8Array, outputs: number): LogitLoss {
  if (outputs < 3) throw new RangeError(`The difference of logits ratio needs 3 outputs, not ${outputs}`);
  return (logits, i, gradient) => {
    const start = i * outputs;
    const label = labels[i]!;
    const order = descending(logits, start, outputs);
    const [first, , third] = order as [number, number, number];
    const rival = first === label ? order[1]! : first;
    const numerator = logits[start + rival]! - logits[start + label]!;
    const scale = logits[start + first]! - logits[start + third]! + TINY;
    gradient.fill(0, start, start + outputs);
    add(gradient, start + rival, 1 / scale);
    add(gradient, start + label, -1 / scale);
    add(gradient, start + first, -numerator / scale ** 2);
    add(gradient, start + third, numerator / scale ** 2);
    return numerator / scale;
  };
}

/** Toward class t: (l_t − l_c) / (l_(1) − (l_(3) + l_(4)) / 2). Same source. Needs four outputs. */
export function targetedLogitsRatio(labels: Uint8Array, targets: Uint8Array, outputs: number): LogitLoss {
  if (outputs < 4)
    throw new RangeError(`The targeted difference of logits ratio needs 4 outputs, not ${outputs}`);
  return (logits, i, gradient) => {
    const [start, label, target] = [i * outputs, labels[i]!, targets[i]!];
    const [first, , third, fourth] = descending(logits, start, outputs) as [number, number, number, number];
    const numerator = logits[start + target]! - logits[start + label]!;
    const low = (logits[start + third]! + logits[start + fourth]!) / 2;
    const scale = logits[start + first]! - low + TINY;
    gradient.fill(0, start, start + outputs);
    add(gradient, start + target, 1 / scale);
    add(gradient, start + label, -1 / scale);
    add(gradient, start + first, -numerator / scale ** 2);
    add(gradient, start + third, numerator / scale ** 2 / 2);
    add(gradient, start + fourth, numerator / scale ** 2 / 2);
    return numerator / scale;
  };
}

function add(values: Float32Array, place: number, amount: number): void {
  values[place] = values[place]! + amount;
}

/** Output indices by falling logit; equals in their order. */
function descending(logits: Float32Array, start: number, outputs: number): number[] {
  const order = Array.from({ length: outputs }, (_, j) => j);
  return order.sort((a, b) => logits[start + b]! - logits[start + a]! || a - b);
}

/** The classes but the true one, by falling logit: what a targeted attack aims at, in its order. `[count x targets]`. */
export function likeliestTargets(
  logits: Float32Array,
  labels: Uint8Array,
  outputs: number,
  count: number,
): Uint8Array[] {
  const rows = [...labels].map((label, i) =>
    descending(logits, i * outputs, outputs).filter((j) => j !== label),
  );
  return Array.from({ length: Math.min(count, outputs - 1) }, (_, k) =>
    Uint8Array.from(rows, (row) => row[k]!),
  );
}

/**
 * The loss the network was trained on, written in logits. For RBF heads, l = −z² and y = exp(l): METHOD.md 1.3,
 * L = α1·[log Σ exp(l_j) − l_c] + α2·(1 − y_c)^p + α3·Σ_{j≠c} y_j^p.
 */
export function trainingLoss(head: Head, labels: Uint8Array, outputs: number): LogitLoss {
  const entropy = crossEntropy(labels, outputs);
  if (head.kind === "softmax") return entropy;
  const { alpha1, alpha2, alpha3, power } = head.loss;
  return (logits, i, gradient) => {
    const start = i * outputs;
    const label = labels[i]!;
    let value = alpha1 * entropy(logits, i, gradient);
    for (let j = 0; j < outputs; j++) {
      const y = Math.exp(logits[start + j]!);
      const slope = alpha1 * gradient[start + j]!;
      if (j === label) {
        value += alpha2 * (1 - y) ** power;
        gradient[start + j] = slope - alpha2 * power * (1 - y) ** (power - 1) * y;
      } else {
        value += alpha3 * y ** power;
        gradient[start + j] = slope + alpha3 * power * y ** power;
      }
    }
    return value;
  };
}
