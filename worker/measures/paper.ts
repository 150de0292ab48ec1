/** The paper's evaluation, METHOD.md 1.11, with each defect of the released code a switch. */
import type { PaperMeasure } from "../../shared/measures.js";
import { nonsenseImages, noiseSigns } from "../core/nonsense-images.js";
import type { ImageSet } from "../core/training-images.js";
import { paperDirection } from "../attacks/paper-fgs.js";
import type { EvaluationTask, Subject } from "./task.js";
import type { Program } from "../engine/program.js";
import { type StrengthOutcome, pictures } from "./outcome.js";
import { MEASURE_BATCH, answersTo } from "./scoring.js";

/** Full pixel range: β = 1 moves a pixel from black to white. */
const PIXEL_RANGE = 255;

export function paperOutcomes(
  subject: Subject,
  task: EvaluationTask,
  measure: PaperMeasure,
): StrengthOutcome[] {
  const { program, test, mean } = subject;
  const { kind, switches } = measure;
  const labels =
    kind === "nonsense" ? null : test.labels.subarray(task.firstImage, task.firstImage + task.imageCount);
  const inputs =
    kind === "nonsense"
      ? nonsenseImages(task.seed, mean, task.firstImage, task.imageCount)
      : realImages(test, mean, task);
  const direction =
    kind === "noisy"
      ? noise(task, test.imageSize)
      : gradientSigns(program, inputs, labels, measure, test.imageSize);
  const moved = new Float32Array(inputs.length);
  return task.strengths.map((strength) => {
    move(inputs, direction, strength, moved);
    if (switches.clip) clip(moved, mean);
    return {
      strength,
      ...answersTo(program, moved, labels, switches),
      distances: largestChanges(moved, inputs, task.imageCount),
      origins: new Uint8Array(),
      samples: pictures((at) => moved[at]! + mean[at % mean.length]!, task, test.imageSize),
    };
  });
}

/** Images of the test set, mean subtracted. */
export function realImages(
  test: ImageSet,
  mean: Float32Array,
  { firstImage, imageCount }: { firstImage: number; imageCount: number },
): Float32Array {
  const size = test.imageSize;
  const inputs = new Float32Array(imageCount * size);
  for (let i = 0; i < imageCount; i++) {
    const start = (firstImage + i) * size;
    for (let p = 0; p < size; p++) inputs[i * size + p] = test.pixels[start + p]! - mean[p]!;
  }
  return inputs;
}

function noise(task: EvaluationTask, imageSize: number): Int8Array {
  const direction = new Int8Array(task.imageCount * imageSize);
  const signs = new Float32Array(imageSize);
  for (let i = 0; i < task.imageCount; i++) {
    noiseSigns(task.seed, task.firstImage + i, signs);
    direction.set(signs, i * imageSize);
  }
  return direction;
}

/** With batch statistics, `attack_batch` images make one batch; with stored ones each image stands alone. */
function gradientSigns(
  program: Program,
  inputs: Float32Array,
  labels: Uint8Array | null,
  { switches, attack_batch }: PaperMeasure,
  imageSize: number,
): Int8Array {
  const statistics = switches.bn === "train" ? "batch" : "stored";
  const size = statistics === "batch" ? attack_batch : MEASURE_BATCH;
  const direction = new Int8Array(inputs.length);
  const count = inputs.length / imageSize;
  for (let first = 0; first < count; first += size) {
    const end = Math.min(first + size, count);
    const part = inputs.slice(first * imageSize, end * imageSize);
    const partLabels = labels?.subarray(first, end) ?? null;
    direction.set(paperDirection({ program, statistics }, part, partLabels), first * imageSize);
  }
  return direction;
}

function move(inputs: Float32Array, direction: Int8Array, strength: number, moved: Float32Array): void {
  const step = PIXEL_RANGE * strength;
  for (let p = 0; p < moved.length; p++) moved[p] = inputs[p]! - step * direction[p]!;
}

/** Back into the pixel range 0..255; the mean is subtracted from the images. */
function clip(images: Float32Array, mean: Float32Array): void {
  for (let p = 0; p < images.length; p++) {
    const low = -mean[p % mean.length]!;
    images[p] = Math.min(low + PIXEL_RANGE, Math.max(low, images[p]!));
  }
}

function largestChanges(moved: Float32Array, inputs: Float32Array, count: number): Float32Array {
  const size = inputs.length / count;
  return Float32Array.from({ length: count }, (_, i) => {
    let largest = 0;
    for (let p = i * size; p < (i + 1) * size; p++)
      largest = Math.max(largest, Math.abs(moved[p]! - inputs[p]!));
    return largest / PIXEL_RANGE;
  });
}
