/**
 * Adversarial images for training: one step for flag A (METHOD.md 1.10), PGD for the controls (Madry et al. 2018,
 * arXiv:1706.06083). The loss is the network's own, batch norm uses its stored moments, images stay in the pixel range.
 * Inputs: [images x values], pixels 0..255 less the mean image.
 */
import type { Network } from "../../shared/networks/network.js";
import { lossOf } from "../core/losses/loss.js";
import type { NetworkEngine } from "../engine/eager/program.js";

export interface Ascent {
  network: Network;
  engine: NetworkEngine;
  mean: Float32Array;
}

const PIXEL_RANGE = 255;

/** Moves every image in `inputs` by ±epsilon along the sign of its loss gradient. */
export function fastGradientSign(
  { network, engine, mean }: Ascent,
  inputs: Float32Array,
  labels: Uint8Array,
  epsilon: number,
): void {
  const gradient = lossGradient(network, engine, inputs, labels);
  for (let p = 0; p < inputs.length; p++) {
    const offset = mean[p % mean.length] as number;
    const moved = (inputs[p] as number) + epsilon * Math.sign(gradient[p] as number);
    inputs[p] = clip(moved, -offset, PIXEL_RANGE - offset);
  }
}

/**
 * Replaces every image in `inputs` by the end of `steps` ascending steps within ±epsilon of it. `start`: where the ascent
 * begins, in shares of epsilon from −1 to 1, a number a pixel.
 */
export function projectedGradientAscent(
  { network, engine, mean }: Ascent,
  inputs: Float32Array,
  labels: Uint8Array,
  start: Float32Array,
  { epsilon, stepSize, steps }: { epsilon: number; stepSize: number; steps: number },
): void {
  const clean = inputs.slice();
  const project = (p: number, value: number): number => {
    const offset = mean[p % mean.length] as number;
    const centre = clean[p] as number;
    return clip(clip(value, centre - epsilon, centre + epsilon), -offset, PIXEL_RANGE - offset);
  };
  for (let p = 0; p < inputs.length; p++)
    inputs[p] = project(p, (clean[p] as number) + epsilon * (start[p] as number));
  for (let step = 0; step < steps; step++) {
    const gradient = lossGradient(network, engine, inputs, labels);
    for (let p = 0; p < inputs.length; p++)
      inputs[p] = project(p, (inputs[p] as number) + stepSize * Math.sign(gradient[p] as number));
  }
}

/** ∂L/∂input, each image's by itself. */
function lossGradient(
  network: Network,
  engine: NetworkEngine,
  inputs: Float32Array,
  labels: Uint8Array,
): Float32Array {
  const pass = engine.forward(inputs, "stored");
  const loss = lossOf(network.head);
  const gradient = new Float32Array(pass.outputs.length);
  labels.forEach((label, i) =>
    loss.gradient(pass.outputs, i * network.outputs, network.outputs, label, gradient),
  );
  const tensor = pass.backward(gradient, { wantInput: true });
  if (tensor === undefined) throw new RangeError("The network gave no input gradient");
  const values = tensor.dataSync<"float32">();
  tensor.dispose();
  pass.dispose();
  return values;
}

function clip(value: number, low: number, high: number): number {
  return value < low ? low : value > high ? high : value;
}
