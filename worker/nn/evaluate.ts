/** Outcome per image of given weights under one perturbation, at each strength. */
import type { PerturbationKind } from "../../shared/results.js";
import type { Network } from "../../shared/networks/network.js";
import { lossOf } from "../core/losses/loss.js";
import { nonsenseImage, noiseSigns } from "../core/nonsense-images.js";
import type { ImageSet } from "../core/training-images.js";
import { paperDirection } from "./attacks/paper-fgs.js";
import type { Statistics } from "./layers/operator.js";
import type { NetworkEngine } from "./network-engine.js";

export interface EvaluationTask {
  kind: PerturbationKind;
  strengths: readonly number[];
  firstImage: number;
  imageCount: number;
  seed: number;
  /** Batch norm while an attack's gradient is taken. */
  statistics: Statistics;
  /** Images whose common statistics make the gradient, when it is taken with batch statistics. */
  attackBatch: number;
  /** The first so many images of the task come back as pictures. */
  sampleCount: number;
}

/** Arrays of one entry an image. */
export interface StrengthOutcome {
  strength: number;
  predictions: Uint8Array;
  confidences: Float32Array;
  /** 1 where the answer counts as an error. */
  wrong: Uint8Array;
  samples: { index: number; pixels: Uint8Array }[];
}

/** Images are measured in pieces of this size: large enough for the engine, small enough for the cache. */
const MEASURE_BATCH = 100;

/** Full pixel range: β = 1 moves a pixel from black to white. */
const PIXEL_RANGE = 255;

export function evaluateTask(
  network: Network,
  engine: NetworkEngine,
  test: ImageSet,
  mean: Float32Array,
  task: EvaluationTask,
): StrengthOutcome[] {
  const labels =
    task.kind === "nonsense"
      ? null
      : test.labels.subarray(task.firstImage, task.firstImage + task.imageCount);
  const inputs = baseInputs(test, mean, task);
  const direction = directionOf(network, engine, inputs, labels, task, test.imageSize);
  return task.strengths.map((strength) => {
    const moved = direction === null ? inputs : move(inputs, direction, strength);
    return {
      strength,
      ...measure(network, engine, moved, labels, test.imageSize),
      samples: pictures(moved, mean, task, test.imageSize),
    };
  });
}

/** Clean images, or noise, mean subtracted. */
function baseInputs(test: ImageSet, mean: Float32Array, task: EvaluationTask): Float32Array {
  const size = test.imageSize;
  const inputs = new Float32Array(task.imageCount * size);
  for (let i = 0; i < task.imageCount; i++) {
    const out = inputs.subarray(i * size, (i + 1) * size);
    if (task.kind === "nonsense") {
      nonsenseImage(task.seed, task.firstImage + i, mean, out);
    } else {
      const start = (task.firstImage + i) * size;
      for (let p = 0; p < size; p++) out[p] = (test.pixels[start + p] as number) - (mean[p] as number);
    }
  }
  return inputs;
}

function directionOf(
  network: Network,
  engine: NetworkEngine,
  inputs: Float32Array,
  labels: Uint8Array | null,
  task: EvaluationTask,
  imageSize: number,
): Int8Array | null {
  switch (task.kind) {
    case "clean":
      return null;
    case "noisy": {
      const direction = new Int8Array(inputs.length);
      const signs = new Float32Array(imageSize);
      for (let i = 0; i < task.imageCount; i++) {
        noiseSigns(task.seed, task.firstImage + i, signs);
        direction.set(signs, i * imageSize);
      }
      return direction;
    }
    case "adversarial":
    case "nonsense":
      return inPieces(network, engine, inputs, labels, task, imageSize);
  }
}

/** With batch statistics, `attackBatch` images make one batch; with stored ones each image stands alone. */
function inPieces(
  network: Network,
  engine: NetworkEngine,
  inputs: Float32Array,
  labels: Uint8Array | null,
  { statistics, attackBatch }: EvaluationTask,
  imageSize: number,
): Int8Array {
  const size = statistics === "batch" ? attackBatch : MEASURE_BATCH;
  const direction = new Int8Array(inputs.length);
  const count = inputs.length / imageSize;
  for (let first = 0; first < count; first += size) {
    const end = Math.min(first + size, count);
    const part = inputs.slice(first * imageSize, end * imageSize);
    const partLabels = labels?.subarray(first, end) ?? null;
    direction.set(paperDirection({ network, engine, statistics }, part, partLabels), first * imageSize);
  }
  return direction;
}

function move(inputs: Float32Array, direction: Int8Array, strength: number): Float32Array {
  const step = PIXEL_RANGE * strength;
  const moved = new Float32Array(inputs.length);
  for (let p = 0; p < moved.length; p++) moved[p] = (inputs[p] as number) - step * (direction[p] as number);
  return moved;
}

function measure(
  network: Network,
  engine: NetworkEngine,
  inputs: Float32Array,
  labels: Uint8Array | null,
  imageSize: number,
): Pick<StrengthOutcome, "predictions" | "confidences" | "wrong"> {
  const count = inputs.length / imageSize;
  const loss = lossOf(network.head);
  const predictions = new Uint8Array(count);
  const confidences = new Float32Array(count);
  const wrong = new Uint8Array(count);
  for (let first = 0; first < count; first += MEASURE_BATCH) {
    const end = Math.min(first + MEASURE_BATCH, count);
    const z = engine.predict(inputs.slice(first * imageSize, end * imageSize));
    for (let i = first; i < end; i++) {
      const start = (i - first) * network.outputs;
      const answer = loss.answer(z, start, network.outputs);
      const confidence = loss.confidence(z, start, network.outputs, answer);
      predictions[i] = answer;
      confidences[i] = confidence;
      wrong[i] = Number(labels === null ? claimsClass(network, answer, confidence) : answer !== labels[i]);
    }
  }
  return { predictions, confidences, wrong };
}

/** Does the network claim to see a real class in nonsense? Nets without nonsense classes do above confidence 0.5. */
function claimsClass(network: Network, answer: number, confidence: number): boolean {
  return network.outputs > network.realClasses ? answer < network.realClasses : confidence > 0.5;
}

function pictures(
  moved: Float32Array,
  mean: Float32Array,
  task: EvaluationTask,
  imageSize: number,
): StrengthOutcome["samples"] {
  return Array.from({ length: Math.min(task.sampleCount, task.imageCount) }, (_, i) => {
    const pixels = new Uint8Array(imageSize);
    for (let p = 0; p < imageSize; p++) {
      pixels[p] = Math.max(
        0,
        Math.min(255, Math.round((moved[i * imageSize + p] as number) + (mean[p] as number))),
      );
    }
    return { index: task.firstImage + i, pixels };
  });
}
