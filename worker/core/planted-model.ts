/**
 * A linear model without defence, planted to see whether an attack works: the smallest change that breaks an image is
 * known in closed form, |l_c − l_t| / ‖w_c − w_t‖, in the norm dual to the ball's.
 */
import type { Norm } from "../../shared/results.js";
import { RandomStream } from "../../shared/random.js";
import { answerOf, type LogitLoss } from "./attack-losses.js";

const SIDE = 8;
const SIZE = SIDE * SIDE;
const CLASSES = 10;

/** The part of an attacked model that a linear one needs; worker/attacks/attack.ts says what each member means. */
export interface PlantedModel {
  readonly input: { height: number; width: number; channels: number };
  readonly imageSize: number;
  readonly outputs: number;
  readonly realClasses: number;
  logits(images: Float32Array): Float32Array;
  gradient(
    images: Float32Array,
    loss: LogitLoss,
  ): { losses: Float64Array; logits: Float32Array; gradient: Float32Array };
  trainingLoss(labels: Uint8Array): LogitLoss;
  confidence(logits: Float32Array, i: number, j: number): number;
}

export interface Plant {
  model: PlantedModel;
  /** In the middle of the box, so that it limits no change worth making. */
  images: Float32Array;
  /** What the model answers. */
  labels: Uint8Array;
  /** Size of the smallest change that breaks each image. */
  distances(norm: Norm): number[];
}

/** A pure function of the seed. `lossOf` is what the model calls its training loss. */
export function plantModel(seed: number, count: number, lossOf: (labels: Uint8Array) => LogitLoss): Plant {
  const stream = new RandomStream(seed, "attack", 0x91a);
  const weights = Float32Array.from({ length: CLASSES * SIZE }, () => stream.normal());
  const images = Float32Array.from({ length: count * SIZE }, () => 0.35 + 0.3 * stream.uniform());
  const model = linearModel(weights, lossOf);
  const logits = model.logits(images);
  const labels = Uint8Array.from({ length: count }, (_, i) => answerOf(logits, i, CLASSES));
  return {
    model,
    images,
    labels,
    distances: (norm) => [...labels].map((label, i) => smallestChange(weights, logits, i, label, norm)),
  };
}

function linearModel(weights: Float32Array, lossOf: (labels: Uint8Array) => LogitLoss): PlantedModel {
  const logitsOf = (images: Float32Array): Float32Array => {
    const count = images.length / SIZE;
    const logits = new Float32Array(count * CLASSES);
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < CLASSES; j++) {
        let sum = 0;
        for (let p = 0; p < SIZE; p++) sum += weights[j * SIZE + p]! * images[i * SIZE + p]!;
        logits[i * CLASSES + j] = sum;
      }
    }
    return logits;
  };
  return {
    input: { height: SIDE, width: SIDE, channels: 1 },
    imageSize: SIZE,
    outputs: CLASSES,
    realClasses: CLASSES,
    logits: logitsOf,
    gradient(images, loss) {
      const logits = logitsOf(images);
      const count = images.length / SIZE;
      const slopes = new Float32Array(logits.length);
      const losses = Float64Array.from({ length: count }, (_, i) => loss(logits, i, slopes));
      const gradient = new Float32Array(images.length);
      for (let i = 0; i < count; i++) {
        for (let j = 0; j < CLASSES; j++) {
          const slope = slopes[i * CLASSES + j]!;
          for (let p = 0; p < SIZE; p++)
            gradient[i * SIZE + p] = gradient[i * SIZE + p]! + slope * weights[j * SIZE + p]!;
        }
      }
      return { losses, logits, gradient };
    },
    trainingLoss: lossOf,
    confidence(logits, i, j) {
      const row = logits.subarray(i * CLASSES, (i + 1) * CLASSES);
      const largest = Math.max(...row);
      const sum = row.reduce((total, logit) => total + Math.exp(logit - largest), 0);
      return Math.exp(row[j]! - largest) / sum;
    },
  };
}

function smallestChange(
  weights: Float32Array,
  logits: Float32Array,
  i: number,
  label: number,
  norm: Norm,
): number {
  let smallest = Infinity;
  for (let j = 0; j < CLASSES; j++) {
    if (j === label) continue;
    const gap = logits[i * CLASSES + label]! - logits[i * CLASSES + j]!;
    let dual = 0;
    for (let p = 0; p < SIZE; p++) {
      const slope = weights[label * SIZE + p]! - weights[j * SIZE + p]!;
      dual += norm === "linf" ? Math.abs(slope) : slope * slope;
    }
    smallest = Math.min(smallest, gap / (norm === "linf" ? dual : Math.sqrt(dual)));
  }
  return smallest;
}
