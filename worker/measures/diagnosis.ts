/** What the sanity checks need to know beside answers: gradients, slopes, and whether the attacks work at all. */
import { ATTACKS, attackNamed } from "../../shared/attacks.js";
import type { Norm } from "../../shared/results.js";
import type {
  Diagnostics,
  GradientStatistics,
  PlantedModel,
  SlopeComparison,
} from "../../shared/diagnostics.js";
import type { AttackCall } from "../../shared/measures.js";
import { RandomStream } from "../../shared/random.js";
import { answerOf, crossEntropy, type LogitLoss, margin } from "../core/attack-losses.js";
import { pick, rowsOf } from "../core/perturbation.js";
import { plantModel } from "../core/planted-model.js";
import { attackedModel } from "../attacks/attacked-model.js";
import type { AttackedModel } from "../attacks/attack.js";
import { runAttack } from "../attacks/registry.js";
import type { EvaluationTask, Subject } from "./task.js";
import { unitImages } from "./attack.js";

/** Images of the slope comparison. */
const SLOPE_IMAGES = 50;
/**
 * Length of a step to either side, L2 on [0, 1] pixels. Outputs carry some 1e-6 of their size in rounding; a slope
 * toward a wrong class is of the order of 10, so that the difference is some 1e-2 and its error below a thousandth.
 */
const SLOPE_STEP = 1e-3;
/** Both sides must agree so far, or a kink of a pool or an activation lies between them. */
const KINK = 0.1;
/** Rounding of two losses of the order of 10 in float32, over the step. */
const SLOPE_FLOOR = 1e-2;
const SLOPE_TOLERANCE = 0.05;

const PLANTED_IMAGES = 32;
/** Twice the change that the hardest of the planted images needs. */
const PLANTED_SLACK = 2;

export function diagnose(
  subject: Subject,
  task: EvaluationTask,
  members: readonly AttackCall[],
): Diagnostics {
  const model = attackedModel(subject.program, subject.mean);
  const images = unitImages(subject.test, task.firstImage, task.imageCount);
  const labels = subject.test.labels.subarray(task.firstImage, task.firstImage + task.imageCount);
  return {
    gradients: gradientStatistics(model, images, labels),
    slopes: slopeComparisons(model, images, labels, task.seed),
    planted: members.flatMap((call) => plantedAttacks(call, task.seed)),
  };
}

/** The losses that attacks climb, by name. */
function lossForms(model: AttackedModel, labels: Uint8Array): [string, LogitLoss][] {
  return [
    ["cross-entropy", crossEntropy(labels, model.outputs)],
    ["margin", margin(labels, model.outputs)],
    ["training", model.trainingLoss(labels)],
  ];
}

/** Of images that are answered right: where an attack has to begin. */
function gradientStatistics(
  model: AttackedModel,
  images: Float32Array,
  labels: Uint8Array,
): GradientStatistics[] {
  const logits = model.logits(images);
  const rows = Uint32Array.from(
    [...labels.keys()].filter((i) => answerOf(logits, i, model.outputs) === labels[i]),
  );
  const right = rowsOf(images, rows, model.imageSize);
  return lossForms(model, pick(labels, rows)).map(([loss, form]) => {
    const { gradient } = rows.length === 0 ? { gradient: new Float32Array() } : model.gradient(right, form);
    const norms = [...rows.keys()].map((i) => l2Norm(gradient, i * model.imageSize, model.imageSize));
    norms.sort((a, b) => a - b);
    return {
      loss,
      images: rows.length,
      zero: norms.filter((norm) => norm === 0).length,
      quantiles: [0.05, 0.25, 0.5, 0.75, 0.95].map((part) => norms[Math.floor(part * norms.length)] ?? 0),
    };
  });
}

/** Toward a wrong class, where losses are steep: half along the gradient, half at random. */
function slopeComparisons(
  model: AttackedModel,
  images: Float32Array,
  labels: Uint8Array,
  seed: number,
): SlopeComparison[] {
  const count = Math.min(SLOPE_IMAGES, labels.length);
  const some = images.slice(0, count * model.imageSize);
  const wrong = Uint8Array.from(
    labels.subarray(0, count),
    (label) => (label + 1) % Math.max(2, model.realClasses),
  );
  return lossForms(model, wrong)
    .filter(([loss]) => loss !== "margin")
    .map(([loss, form]) => ({ loss, ...comparison(model, some, form, seed) }));
}

function comparison(
  model: AttackedModel,
  images: Float32Array,
  form: LogitLoss,
  seed: number,
): Omit<SlopeComparison, "loss"> {
  const { imageSize } = model;
  const { losses, gradient } = model.gradient(images, form);
  const directions = directionsFor(gradient, imageSize, seed);
  const lossesAt = (step: number): Float64Array => {
    const moved = images.map((pixel, p) => pixel + step * directions[p]!);
    const logits = model.logits(moved);
    const unused = new Float32Array(logits.length);
    return Float64Array.from(losses, (_, i) => form(logits, i, unused));
  };
  const [ahead, behind] = [lossesAt(SLOPE_STEP), lossesAt(-SLOPE_STEP)];
  const deviations: number[] = [];
  let kinks = 0;
  losses.forEach((here, i) => {
    const right = (ahead[i]! - here) / SLOPE_STEP;
    const left = (here - behind[i]!) / SLOPE_STEP;
    const slope = (left + right) / 2;
    const told = dot(gradient, directions, i * imageSize, imageSize);
    const scale = Math.max(Math.abs(slope), Math.abs(told));
    if (scale < SLOPE_FLOOR) return;
    if (Math.abs(right - left) > KINK * Math.max(Math.abs(slope), SLOPE_FLOOR)) kinks++;
    else deviations.push(Math.abs(slope - told) / scale);
  });
  deviations.sort((a, b) => a - b);
  const agreeing = deviations.filter((deviation) => deviation <= SLOPE_TOLERANCE).length;
  return {
    compared: deviations.length,
    kinks,
    agreeing: deviations.length === 0 ? 0 : agreeing / deviations.length,
    median_deviation: deviations[deviations.length >> 1] ?? 0,
  };
}

function directionsFor(gradient: Float32Array, imageSize: number, seed: number): Float32Array {
  const directions = new Float32Array(gradient.length);
  for (let first = 0; first < gradient.length; first += imageSize) {
    const stream = new RandomStream(seed, "attack", first / imageSize, 0xd1a);
    const steepness = l2Norm(gradient, first, imageSize);
    const scale = Math.SQRT1_2 / (steepness === 0 ? 1 : steepness);
    // A random direction of unit length, near enough.
    const share = Math.SQRT1_2 / Math.sqrt(imageSize);
    for (let p = first; p < first + imageSize; p++)
      directions[p] = scale * gradient[p]! + share * stream.normal();
  }
  return directions;
}

/** Each norm of a white-box attack; what sees less of the network is no fault of the network's when it fails. */
function plantedAttacks({ attack, options }: AttackCall, seed: number): PlantedModel[] {
  const name = attackNamed(attack);
  const { access, norms } = ATTACKS[name] as { access: string; norms: readonly Norm[] };
  if (access !== "white-box") return [];
  const plant = plantModel(seed, PLANTED_IMAGES, (labels) => crossEntropy(labels, 10));
  return norms.map((norm) => {
    const distances = plant.distances(norm);
    const epsilon = PLANTED_SLACK * Math.max(...distances);
    const { broken } = runAttack(name, {
      model: plant.model,
      images: plant.images,
      labels: plant.labels,
      indices: Uint32Array.from(plant.labels.keys()),
      seed,
      norm,
      epsilon,
      options,
      others: { images: plant.images, labels: plant.labels },
    });
    return {
      attack,
      norm,
      epsilon,
      images: PLANTED_IMAGES,
      breakable: distances.filter((distance) => distance <= epsilon).length,
      broken: broken.reduce((sum, flag) => sum + flag, 0),
    };
  });
}

function l2Norm(values: Float32Array, first: number, size: number): number {
  return Math.sqrt(dot(values, values, first, size));
}

function dot(a: Float32Array, b: Float32Array, first: number, size: number): number {
  let sum = 0;
  for (let p = first; p < first + size; p++) sum += a[p]! * b[p]!;
  return sum;
}
