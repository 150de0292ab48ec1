/** A trained network as an attacker sees it: pixels in [0, 1] in, logits and gradients out. */
import type { Network } from "../../shared/networks/network.js";
import { type LogitLoss, trainingLoss } from "../core/attack-losses.js";
import { lossOf } from "../core/losses/loss.js";
import type { AttackedModel, ImageGradients } from "./attack.js";
import type { Statistics, SurrogateSlope } from "../engine/eager/layers/operator.js";
import type { NetworkEngine } from "../engine/eager/program.js";

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

/**
 * `engine` holds the network's parameters; `mean` is the training set's mean image, 0..255. With `statistics` "batch"
 * gradients (never logits) are taken with the batch norm of whatever images share the piece: the paper's release did so.
 */
export function attackedModel(
  network: Network,
  engine: NetworkEngine,
  mean: Float32Array,
  statistics: Statistics = "stored",
): AttackedModel {
  const { height, width, channels } = network.input;
  const imageSize = height * width * channels;
  const { outputs, realClasses, head } = network;
  const losses = lossOf(head);

  function inputsOf(images: Float32Array, first: number, end: number, fill = ROWS): Float32Array {
    const rows = fill * Math.ceil((end - first) / fill);
    const inputs = new Float32Array(rows * imageSize);
    for (let row = 0; row < rows; row++) {
      const from = Math.min(first + row, end - 1) * imageSize;
      for (let p = 0; p < imageSize; p++) {
        inputs[row * imageSize + p] = PIXEL_RANGE * (images[from + p] as number) - (mean[p] as number);
      }
    }
    return inputs;
  }

  function toLogits(z: Float32Array, logits: Float32Array, first: number, end: number): void {
    const from = first * outputs;
    for (let k = from; k < end * outputs; k++) {
      const value = z[k - from] as number;
      logits[k] = head.kind === "rbf" ? -value * value : value;
    }
  }

  /** Calls `part` on consecutive pieces [first, end). */
  function inPieces(images: Float32Array, part: (first: number, end: number) => void, size = PIECE): void {
    const count = images.length / imageSize;
    for (let first = 0; first < count; first += size) part(first, Math.min(first + size, count));
  }

  function logitsOf(images: Float32Array): Float32Array {
    const logits = new Float32Array((images.length / imageSize) * outputs);
    inPieces(images, (first, end) =>
      toLogits(engine.predict(inputsOf(images, first, end)), logits, first, end),
    );
    return logits;
  }

  function gradientOf(images: Float32Array, loss: LogitLoss, surrogate?: SurrogateSlope): ImageGradients {
    const count = images.length / imageSize;
    const found = {
      losses: new Float64Array(count),
      logits: new Float32Array(count * outputs),
      gradient: new Float32Array(images.length),
    };
    const slopes = new Float32Array(count * outputs);
    const piece = (first: number, end: number): void => {
      // A filled-up batch would have other statistics.
      const inputs = inputsOf(images, first, end, statistics === "batch" ? 1 : ROWS);
      const pass = engine.forward(inputs, statistics);
      toLogits(pass.outputs, found.logits, first, end);
      const back = new Float32Array(pass.outputs.length);
      for (let i = first; i < end; i++) {
        found.losses[i] = loss(found.logits, i, slopes);
        for (let j = 0; j < outputs; j++) {
          const place = (i - first) * outputs + j;
          const slope = slopes[i * outputs + j] as number;
          back[place] =
            head.kind === "rbf" ? slope * headSlope(pass.outputs[place] as number, surrogate) : slope;
        }
      }
      const tensor = pass.backward(back, { wantInput: true, surrogate });
      if (tensor === undefined) throw new RangeError("The network gave no input gradient");
      const values = tensor.dataSync<"float32">();
      for (let k = 0; k < (end - first) * imageSize; k++) {
        found.gradient[first * imageSize + k] = PIXEL_RANGE * (values[k] as number);
      }
      tensor.dispose();
      pass.dispose();
    };
    inPieces(images, piece, statistics === "batch" ? BATCH_PIECE : PIECE);
    if (statistics === "batch") found.logits.set(logitsOf(images));
    return found;
  }

  return {
    input: network.input,
    imageSize,
    outputs,
    realClasses,
    logits: logitsOf,
    gradient: gradientOf,
    trainingLoss: (labels) => trainingLoss(head, labels, outputs),
    confidence: (logits, i, j) =>
      head.kind === "rbf"
        ? Math.exp(logits[i * outputs + j] as number)
        : losses.confidence(logits, i * outputs, outputs, j),
  };
}

/** ∂(−z²)/∂z, kept away from 0 where a surrogate asks for it. */
function headSlope(z: number, surrogate: SurrogateSlope | undefined): number {
  const size = Math.max(Math.abs(z), surrogate?.headFloor ?? 0);
  return -2 * (z < 0 ? -size : size);
}
