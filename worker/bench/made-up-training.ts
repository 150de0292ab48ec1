/** A training of its own on images that are made up: speed does not depend on what they show. */
import { configSchema } from "../../shared/config/run.js";
import { initialParameters } from "../../shared/core/layout.js";
import { layoutOf } from "../../shared/networks/network.js";
import { RandomStream } from "../../shared/random.js";
import { resolveRun, stepPlan } from "../../shared/resolve.js";
import type { ImageSet } from "../core/training-images.js";
import type { Programs } from "../engine/program.js";
import { LocalTraining } from "../training/local-training.js";
import type { TrainingSubject } from "./measurement.js";

/** At least so many, and whole batches of them: the last step of an epoch is as large as the others. */
const LEAST_IMAGES = 20_000;

export function madeUpTraining(
  programs: Programs,
  { set, model, batch, slots }: TrainingSubject,
): LocalTraining {
  const config = configSchema.parse({ model, data: { set }, train: { batch_size: batch, slots } });
  const run = resolveRun(config);
  const { network } = run;
  const layout = layoutOf(network);
  const { height, width, channels } = network.input;
  const imageSize = height * width * channels;
  const count = batch * Math.ceil(LEAST_IMAGES / batch);
  return new LocalTraining(
    {
      program: programs.create(network, layout),
      anchor: programs.create(network, layout),
      plan: stepPlan(config, run, count),
      images: {
        seed: 0,
        images: madeUpImages(count, imageSize),
        realCount: count,
        realClasses: network.realClasses,
        mean: new Float32Array(imageSize).fill(33),
        augmentation: network.augmentation,
      },
    },
    initialParameters(layout, 0),
    { seed: 0, stages: run.train.stages, momentum: run.train.momentum, weightDecay: run.train.weightDecay },
  );
}

export function madeUpImages(count: number, imageSize: number): ImageSet {
  const stream = new RandomStream(1, "noisy");
  const pixels = new Uint8Array(count * imageSize);
  for (let i = 0; i < pixels.length; i++) pixels[i] = stream.uint32() & 255;
  return { pixels, labels: Uint8Array.from({ length: count }, (_, i) => i % 10), count, imageSize };
}
