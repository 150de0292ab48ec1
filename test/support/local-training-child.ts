/**
 * Trains runs to their end in this one process: node local-training-child.js <engine>. Takes a config a line, as JSON; prints
 * the SHA-256 of the weights after each step, one a line, and an empty line at a run's end.
 */
import { createInterface } from "node:readline";
import { hashOf } from "../../shared/io/hash.js";
import { PartitionedDataset } from "../../coordinator/io/datasets/dataset.js";
import { loadDataset } from "../../coordinator/io/datasets/data-sets.js";
import { type Config, configSchema } from "../../shared/config/run.js";
import { initialParameters } from "../../shared/core/layout.js";
import { totalSteps } from "../../shared/core/schedule.js";
import { layoutOf } from "../../shared/networks/network.js";
import { resolveRun, stepPlan } from "../../shared/resolve.js";
import { engineNamed } from "../../worker/main.js";
import { startPrograms } from "../../worker/engine/start.js";
import { LocalTraining } from "../../worker/training/local-training.js";

const [engineName = ""] = process.argv.slice(2);
const programs = await startPrograms(engineNamed(engineName));
const sets = new Map<string, Promise<PartitionedDataset>>();
for await (const line of createInterface({ input: process.stdin })) {
  await train(configSchema.parse(JSON.parse(line)));
  process.stdout.write("\n");
}

function dataOf({ data }: Config): Promise<PartitionedDataset> {
  const key = JSON.stringify(data);
  const known = sets.get(key);
  if (known !== undefined) return known;
  const read = loadDataset(data.set, data.dir, process.env).then((set) => new PartitionedDataset(set));
  sets.set(key, read);
  return read;
}

async function train(config: Config): Promise<void> {
  const run = resolveRun(config);
  const { network } = run;
  const layout = layoutOf(network);
  const { dataset, meanImage } = await dataOf(config);
  const { pixels, labels } = dataset.train;
  const plan = stepPlan(config, run, labels.length);
  const [program, anchor] = [programs.create(network, layout), programs.create(network, layout)];
  const training = new LocalTraining(
    {
      program,
      anchor,
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
  for (const one of [training, program, anchor]) one.dispose();
}
