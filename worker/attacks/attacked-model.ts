/** A trained network as an attacker sees it: pixels in [0, 1] in, logits and gradients out. */
import type { Network } from "../../shared/networks/network.js";
import { type LogitLoss, trainingLoss } from "../core/attack-losses.js";
import { lossOf } from "../core/losses/registry.js";
import type { AttackedModel, ImageGradients } from "./attack.js";
import type { Program, Statistics, SurrogateSlope } from "../engine/program.js";

/** Images are shown in pieces of this size: large enough for the engine, small enough for the cache. */
const PIECE = 96;
/** As in the paper's release, whose gradients depend on the batch. */
const BATCH_PIECE = 100;

/**
 * Pieces are filled up to a multiple of this. Engines work on so many values at a time, and on what is left over in
 * another way, with other last bits of exp; one row alone takes another path through the matrix product. An image's
 * numbers would depend on who shares its batch.
 */
const ROWS = 16;

/** The network's inputs are pixels 0..255 minus the mean image. */
const PIXEL_RANGE = 255;

/** A program under attack. */
interface Victim {
  program: Program;
  imageSize: number;
  /** Mean training image, 0..255. */
  mean: Float32Array;
  statistics: Statistics;
}

/**
 * `program` has its parameters loaded; `mean` is the training set's mean image, 0..255. With `statistics` "batch"
 * gradients (never logits) are taken with the batch norm of whatever images share the piece: the paper's release did so.
 */
export function attackedModel(
  program: Program,
  mean: Float32Array,
  statistics: Statistics = "stored",
): AttackedModel {
  const { input, outputs, realClasses, head } = program.network;
  const imageSize = input.height * input.width * input.channels;
  const losses = lossOf(head);
  const victim: Victim = { program, imageSize, mean, statistics };
  return {
    input,
    imageSize,
    outputs,
    realClasses,
    logits: (images) => logitsOf(victim, images),
    gradient: (images, loss, surrogate) => gradientOf(victim, images, loss, surrogate),
    trainingLoss: (labels) => trainingLoss(head, labels, outputs),
    confidence: (logits, i, j) =>
      head.kind === "rbf"
        ? Math.exp(logits[i * outputs + j]!)
        : losses.confidence(logits, i * outputs, outputs, j),
  };
}

/** The network's inputs of images [first, end), filled up to a multiple of `fill` rows. */
function inputsOf(
  { imageSize, mean }: Victim,
  images: Float32Array,
  first: number,
  end: number,
  fill = ROWS,
): Float32Array {
  const rows = fill * Math.ceil((end - first) / fill);
  const inputs = new Float32Array(rows * imageSize);
  for (let row = 0; row < rows; row++) {
    const from = Math.min(first + row, end - 1) * imageSize;
    for (let p = 0; p < imageSize; p++)
      inputs[row * imageSize + p] = PIXEL_RANGE * images[from + p]! - mean[p]!;
  }
  return inputs;
}

/** Writes the logits of images [first, end), whose outputs z are given. */
function toLogits(
  { head, outputs }: Network,
  z: Float32Array,
  logits: Float32Array,
  first: number,
  end: number,
): void {
  const from = first * outputs;
  for (let k = from; k < end * outputs; k++) {
    const value = z[k - from]!;
    logits[k] = head.kind === "rbf" ? -value * value : value;
  }
}

/** Consecutive pieces [first, end) of so many images. */
function pieces(count: number, size: number): [first: number, end: number][] {
  return Array.from({ length: Math.ceil(count / size) }, (_, k) => [
    k * size,
    Math.min((k + 1) * size, count),
  ]);
}

function logitsOf(victim: Victim, images: Float32Array): Float32Array {
  const { program, imageSize } = victim;
  const count = images.length / imageSize;
  const logits = new Float32Array(count * program.network.outputs);
  for (const [first, end] of pieces(count, PIECE))
    toLogits(program.network, program.predict(inputsOf(victim, images, first, end)), logits, first, end);
  return logits;
}

function gradientOf(
  victim: Victim,
  images: Float32Array,
  loss: LogitLoss,
  surrogate?: SurrogateSlope,
): ImageGradients {
  const { program, imageSize, statistics } = victim;
  const { outputs } = program.network;
  const count = images.length / imageSize;
  const found = {
    losses: new Float64Array(count),
    logits: new Float32Array(count * outputs),
    gradient: new Float32Array(images.length),
  };
  const slopes = new Float32Array(count * outputs);
  // A filled-up batch would have other statistics.
  const [size, fill] = statistics === "batch" ? [BATCH_PIECE, 1] : [PIECE, ROWS];
  for (const [first, end] of pieces(count, size)) {
    const pass = program.forward(inputsOf(victim, images, first, end, fill), statistics);
    toLogits(program.network, pass.outputs, found.logits, first, end);
    for (let i = first; i < end; i++) found.losses[i] = loss(found.logits, i, slopes);
    const back = outputGradient(program.network, pass.outputs, slopes, first, end, surrogate);
    const values = pass.inputGradient(back, surrogate);
    pass.dispose();
    for (let k = 0; k < (end - first) * imageSize; k++)
      found.gradient[first * imageSize + k] = PIXEL_RANGE * values[k]!;
  }
  if (statistics === "batch") found.logits.set(logitsOf(victim, images));
  return found;
}

/** ∂L/∂z of the pass over images [first, end) from the loss's slopes in the logits; nothing flows from rows that fill up. */
function outputGradient(
  { head, outputs }: Network,
  z: Float32Array,
  slopes: Float32Array,
  first: number,
  end: number,
  surrogate: SurrogateSlope | undefined,
): Float32Array {
  const gradient = new Float32Array(z.length);
  const from = first * outputs;
  for (let k = from; k < end * outputs; k++) {
    const slope = slopes[k]!;
    gradient[k - from] = head.kind === "rbf" ? slope * headSlope(z[k - from]!, surrogate) : slope;
  }
  return gradient;
}

/** ∂(−z²)/∂z, kept away from 0 where a surrogate asks for it. */
function headSlope(z: number, surrogate: SurrogateSlope | undefined): number {
  const size = Math.max(Math.abs(z), surrogate?.headFloor ?? 0);
  return -2 * (z < 0 ? -size : size);
}
