/**
 * The images that a slot trains on, a pure function of seed, step and slot (and, for adversarial ones, of weights that the
 * step fixes): prepared images, flag A, mirror, PGD, the step's noise, in this order.
 */
import { anchorOf } from "../../shared/core/anchor.js";
import type { Augmentation } from "../../shared/networks/network.js";
import { RandomStream } from "../../shared/random.js";
import { addStepNoise, mirrorStep } from "../core/step-augmentation.js";
import { prepareTrainingImages } from "../core/training-images.js";
import { fastGradientSign, projectedGradientAscent } from "./adversarial-images.js";
import type { StepContext } from "./step-context.js";

/** Inputs: [images x values], mean subtracted. */
export interface SlotInputs {
  inputs: Float32Array;
  labels: Uint8Array;
}

/** Do the inputs of a step follow from its images alone, not from weights? */
export function areWeightless({ adversarial, pgd }: Augmentation): boolean {
  return adversarial === undefined && pgd === undefined;
}

export function slotInputs(context: StepContext, step: number, indices: Uint32Array): SlotInputs {
  const { images, program } = context;
  const { augmentation, input } = program.network;
  const draw = { seed: images.seed, step };
  const slot: SlotInputs = {
    inputs: new Float32Array(indices.length * images.images.imageSize),
    labels: new Uint8Array(indices.length),
  };
  prepareTrainingImages(images, indices, slot.inputs, slot.labels);
  attackAnchor(context, step, indices, slot);
  mirrorStep(augmentation, draw, input, slot.inputs);
  ascend(context, step, indices, slot);
  addStepNoise(augmentation, draw, indices, slot.inputs);
  return slot;
}

/** Flag A: attacks the chosen real images on the weights with which the round's epoch began. */
function attackAnchor(context: StepContext, step: number, indices: Uint32Array, slot: SlotInputs): void {
  const { images, program, plan, anchor } = context;
  const { augmentation } = program.network;
  const { adversarial } = augmentation;
  const due = anchorOf(plan, augmentation, step);
  if (adversarial === undefined || due === undefined) return;
  if (anchor === undefined) throw new RangeError(`Step ${step} needs the weights of step ${due.version}`);
  const isChosen = (index: number): boolean =>
    index < images.realCount &&
    new RandomStream(images.seed, "adversarial-choice", index, due.round).uniform() < adversarial.share;
  changeSome(slot, indices, isChosen, (inputs, labels) =>
    fastGradientSign({ program: anchor, mean: images.mean }, inputs, labels, adversarial.epsilon),
  );
}

/** PGD training: every real image, on the weights of this step. */
function ascend(context: StepContext, step: number, indices: Uint32Array, slot: SlotInputs): void {
  const { images, program } = context;
  const { pgd } = program.network.augmentation;
  if (pgd === undefined) return;
  const isReal = (index: number): boolean => index < images.realCount;
  changeSome(slot, indices, isReal, (inputs, labels, chosen) => {
    const start = new Float32Array(inputs.length);
    const size = inputs.length / chosen.length;
    chosen.forEach((index, i) => {
      const stream = new RandomStream(images.seed, "adversarial-start", index, step);
      for (let p = i * size; p < (i + 1) * size; p++) start[p] = 2 * stream.uniform() - 1;
    });
    projectedGradientAscent({ program, mean: images.mean }, inputs, labels, start, pgd);
  });
}

/** Changes those images of a slot, which make one batch. */
function changeSome(
  { inputs, labels }: SlotInputs,
  indices: Uint32Array,
  isChosen: (index: number) => boolean,
  change: (inputs: Float32Array, labels: Uint8Array, chosen: number[]) => void,
): void {
  const places = [...indices.keys()].filter((place) => isChosen(indices[place]!));
  if (places.length === 0) return;
  const size = inputs.length / indices.length;
  const some = new Float32Array(places.length * size);
  places.forEach((place, i) => some.set(inputs.subarray(place * size, (place + 1) * size), i * size));
  const someLabels = Uint8Array.from(places, (place) => labels[place]!);
  change(
    some,
    someLabels,
    places.map((place) => indices[place]!),
  );
  places.forEach((place, i) => inputs.set(some.subarray(i * size, (i + 1) * size), place * size));
}
