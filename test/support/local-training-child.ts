/**
 * Trains a run to its end in this one process: node local-training-child.js <engine> <config as JSON>. Prints the SHA-256 of
 * the weights after each step, one a line.
 */
import { hashOf } from "../../shared/io/hash.js";
import { PartitionedDataset } from "../../coordinator/io/datasets/dataset.js";
import { loadDataset } from "../../coordinator/io/datasets/data-sets.js";
import { configSchema } from "../../shared/config/run.js";
import { initialParameters } from "../../shared/core/layout.js";
import { totalSteps } from "../../shared/core/schedule.js";
import { layoutOf } from "../../shared/networks/network.js";
import { resolveRun, stepPlan } from "../../shared/resolve.js";
import { engineNamed } from "../../worker/main.js";
import { startPrograms } from "../../worker/engine/start.js";
import { LocalTraining } from "../../worker/training/local-training.js";

const [engineName = "", configJson = ""] = process.argv.slice(2);
const programs = await startPrograms(engineNamed(engineName));
const config = configSchema.parse(JSON.parse(configJson));
const run = resolveRun(config);
const { network } = run;
const layout = layoutOf(network);
const { dataset, meanImage } = new PartitionedDataset(
  await loadDataset(config.data.set, config.data.dir, process.env),
);
const { pixels, labels } = dataset.train;
const plan = stepPlan(config, run, labels.length);
const training = new LocalTraining(
  {
    program: programs.create(network, layout),
    anchor: programs.create(network, layout),
    plan,
    images: {
      seed: run.seed,
      images: { pixels, labels, count: labels.length, imageSize: meanImage.length },
      realCount: Math.min(config.train.limit_images ?? labels.length, labels.length),
      realClasses: network.realClasses,
      mean: meanImage,
      augmentation: network.augmentation,
    },
  },
  initialParameters(layout, run.seed),
  {
    seed: run.seed,
    stages: run.train.stages,
    momentum: run.train.momentum,
    weightDecay: run.train.weightDecay,
  },
);
while (training.step < totalSteps(plan)) {
  training.advance();
  process.stdout.write(`${hashOf(training.parameters)}\n`);
}
