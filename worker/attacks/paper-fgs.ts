/**
 * The paper's fast gradient sign attack: METHOD.md 1.11. For each image, the gradient of the loss toward each wrong
 * class is taken; the class whose gradient has the largest L1 norm wins, and its sign is the direction for all β.
 */
import { lossOf } from "../core/losses/registry.js";
import type { AttackContext, DirectionAttack } from "./attack.js";

export const paperDirection: DirectionAttack = (context, inputs, labels) => {
  const { height, width, channels } = context.program.network.input;
  const imageSize = height * width * channels;
  const kept: Kept = {
    direction: new Int8Array(inputs.length),
    largest: new Float64Array(inputs.length / imageSize).fill(-1),
    imageSize,
  };
  if (context.statistics === "batch") stackedGradients(context, inputs, labels, kept);
  else separateGradients(context, inputs, labels, kept);
  return kept.direction;
};

interface Kept {
  direction: Int8Array;
  largest: Float64Array;
  imageSize: number;
}

/** Round k aims every image at its k-th wrong class; a nonsense image has no right one, so it takes all. */
function rounds(context: AttackContext, labels: Uint8Array | null): number[] {
  const { realClasses } = context.program.network;
  return Array.from({ length: realClasses }, (_, k) => k).slice(labels === null ? 0 : 1);
}

/** ∂L/∂z of each image toward its class of round k, written behind one another from `start` on. */
function aim(
  context: AttackContext,
  outputs: Float32Array,
  labels: Uint8Array | null,
  count: number,
  k: number,
  start: number,
  gradient: Float32Array,
): void {
  const { network } = context.program;
  const loss = lossOf(network.head);
  for (let i = 0; i < count; i++) {
    const target = ((labels?.[i] ?? 0) + k) % network.realClasses;
    loss.gradient(outputs, (start + i) * network.outputs, network.outputs, target, gradient);
  }
}

/** With stored statistics images do not see each other: one forward pass serves all classes. */
function separateGradients(
  context: AttackContext,
  inputs: Float32Array,
  labels: Uint8Array | null,
  kept: Kept,
): void {
  const pass = context.program.forward(inputs, context.statistics);
  const gradient = new Float32Array(pass.outputs.length);
  for (const k of rounds(context, labels)) {
    aim(context, pass.outputs, labels, kept.largest.length, k, 0, gradient);
    keepLargest(pass.inputGradient(gradient), 0, kept);
  }
  pass.dispose();
}

/**
 * With batch statistics the gradient of one image depends on the whole batch. The release stacks a copy of the images
 * for each wrong class into one batch (100 images make 900) under one summed loss; so do we.
 */
function stackedGradients(
  context: AttackContext,
  inputs: Float32Array,
  labels: Uint8Array | null,
  kept: Kept,
): void {
  const classes = rounds(context, labels);
  const stacked = new Float32Array(classes.length * inputs.length);
  classes.forEach((_, round) => stacked.set(inputs, round * inputs.length));
  const pass = context.program.forward(stacked, context.statistics);
  const gradient = new Float32Array(pass.outputs.length);
  const count = kept.largest.length;
  classes.forEach((k, round) => aim(context, pass.outputs, labels, count, k, round * count, gradient));
  const values = pass.inputGradient(gradient);
  pass.dispose();
  classes.forEach((_, round) => keepLargest(values, round * inputs.length, kept));
}

/** Compares the gradients of all images, which lie from `start` on, with the largest so far. */
function keepLargest(gradient: Float32Array, start: number, { direction, largest, imageSize }: Kept): void {
  for (let i = 0; i < largest.length; i++) {
    const first = i * imageSize;
    let norm = 0;
    for (let p = first; p < first + imageSize; p++) norm += Math.abs(gradient[start + p]!);
    if (norm <= largest[i]!) continue;
    largest[i] = norm;
    for (let p = first; p < first + imageSize; p++) direction[p] = Math.sign(gradient[start + p]!);
  }
}
