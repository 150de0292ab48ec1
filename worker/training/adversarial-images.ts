/**
 * Adversarial images for training: one step for flag A (METHOD.md 1.10), PGD for the controls (Madry et al. 2018,
 * arXiv:1706.06083). The loss is the network's own, batch norm uses its stored moments, images stay in the pixel range.
 * Inputs: [images x values], pixels 0..255 less the mean image.
 */
import { lossGradient } from "../core/losses/slot-loss.js";
import type { Program } from "../engine/program.js";

export interface Ascent {
  program: Program;
  /** Mean training image, pixels 0..255. */
  mean: Float32Array;
}

const PIXEL_RANGE = 255;

/** Moves every image in `inputs` by ±epsilon along the sign of its loss gradient. */
export function fastGradientSign(
  { program, mean }: Ascent,
  inputs: Float32Array,
  labels: Uint8Array,
  epsilon: number,
): void {
  const gradient = uphill(program, inputs, labels);
  for (let p = 0; p < inputs.length; p++) {
    const offset = mean[p % mean.length]!;
    const moved = inputs[p]! + epsilon * Math.sign(gradient[p]!);
    inputs[p] = clip(moved, -offset, PIXEL_RANGE - offset);
  }
}

/**
 * Replaces every image in `inputs` by the end of `steps` ascending steps within ±epsilon of it. `start`: where the ascent
 * begins, in shares of epsilon from −1 to 1, a number a pixel.
 */
export function projectedGradientAscent(
  { program, mean }: Ascent,
  inputs: Float32Array,
  labels: Uint8Array,
  start: Float32Array,
  { epsilon, stepSize, steps }: { epsilon: number; stepSize: number; steps: number },
): void {
  const clean = inputs.slice();
  const project = (p: number, value: number): number => {
    const offset = mean[p % mean.length]!;
    const centre = clean[p]!;
    return clip(clip(value, centre - epsilon, centre + epsilon), -offset, PIXEL_RANGE - offset);
  };
  for (let p = 0; p < inputs.length; p++) inputs[p] = project(p, clean[p]! + epsilon * start[p]!);
  for (let step = 0; step < steps; step++) {
    const gradient = uphill(program, inputs, labels);
    for (let p = 0; p < inputs.length; p++)
      inputs[p] = project(p, inputs[p]! + stepSize * Math.sign(gradient[p]!));
  }
}

/** ∂L/∂input of the network's own loss, each image's by itself. */
function uphill(program: Program, inputs: Float32Array, labels: Uint8Array): Float32Array {
  const pass = program.forward(inputs, "stored");
  try {
    return pass.inputGradient(lossGradient(program.network, pass.outputs, labels));
  } finally {
    pass.dispose();
  }
}

function clip(value: number, low: number, high: number): number {
  return value < low ? low : value > high ? high : value;
}
