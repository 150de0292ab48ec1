/** What a slot's outputs come to under the network's own loss. */
import { TAIL } from "../../../shared/core/layout.js";
import type { Network } from "../../../shared/networks/network.js";
import { lossOf } from "./registry.js";

export interface SlotLoss {
  /** Loss sum, hits and samples: what closes a push. */
  tail: Float32Array;
  /** ∂L/∂z, [images x outputs]. */
  gradient: Float32Array;
}

/** `outputs`: z of the last layer, [images x outputs]. */
export function slotLoss(
  { head, outputs: width }: Network,
  outputs: Float32Array,
  labels: Uint8Array,
): SlotLoss {
  const loss = lossOf(head);
  const gradient = new Float32Array(outputs.length);
  let [lossSum, hits] = [0, 0];
  labels.forEach((label, i) => {
    const start = i * width;
    lossSum += loss.value(outputs, start, width, label);
    if (loss.answer(outputs, start, width) === label) hits++;
    loss.gradient(outputs, start, width, label, gradient);
  });
  const tail = new Float32Array(TAIL.length);
  tail[TAIL.loss] = lossSum;
  tail[TAIL.hits] = hits;
  tail[TAIL.samples] = labels.length;
  return { tail, gradient };
}

/** ∂L/∂z of each image's own loss toward its class. */
export function lossGradient(
  { head, outputs: width }: Network,
  outputs: Float32Array,
  labels: Uint8Array,
): Float32Array {
  const loss = lossOf(head);
  const gradient = new Float32Array(outputs.length);
  labels.forEach((label, i) => loss.gradient(outputs, i * width, width, label, gradient));
  return gradient;
}
