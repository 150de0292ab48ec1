/** METHOD.md 4.4, item 5: attacks must break an undefended network that was really trained. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PartitionedDataset } from "../../../coordinator/io/datasets/dataset.js";
import { loadMnist, mnistDirectory } from "../../../coordinator/io/datasets/mnist.js";
import { initialParameters } from "../../../shared/core/layout.js";
import { layoutOf } from "../../../shared/networks/network.js";
import { networkNamed } from "../../../shared/networks/registry.js";
import { attackedModel } from "../../../worker/attacks/attacked-model.js";
import type { AttackRequest } from "../../../worker/attacks/attack.js";
import { runAttack } from "../../../worker/attacks/registry.js";
import { verifyAttack } from "./verify.js";
import { LocalTraining } from "../../../worker/training/local-training.js";
import type { Programs } from "../../../worker/engine/program.js";

const SEED = 7;
const STEPS = 100;
const COUNT = 200;

export async function trainedSuite(engineName: string, programs: Programs): Promise<void> {
  const network = networkNamed("mnist", "plain");
  const layout = layoutOf(network);
  const { dataset, meanImage } = new PartitionedDataset(
    await loadMnist(mnistDirectory(undefined, process.env).directory),
  );
  const { pixels, labels } = dataset.train;
  const program = programs.create(network, layout);
  const training = new LocalTraining(
    {
      program,
      plan: { images: 6000, batchSize: 64, slots: 1, epochs: 20 },
      images: {
        seed: SEED,
        images: { pixels, labels, count: labels.length, imageSize: meanImage.length },
        realCount: labels.length,
        realClasses: network.realClasses,
        mean: meanImage,
        augmentation: {},
      },
    },
    initialParameters(layout, SEED),
    { seed: SEED, stages: [{ rate: 0.003, epochs: 20 }], momentum: 0.9, weightDecay: 5e-4 },
  );
  while (training.step < STEPS) training.advance();

  const model = attackedModel(program, meanImage);
  const request: AttackRequest = {
    model,
    images: Float32Array.from(dataset.test.pixels.subarray(0, COUNT * model.imageSize), (byte) => byte / 255),
    labels: dataset.test.labels.slice(0, COUNT),
    indices: Uint32Array.from({ length: COUNT }, (_, i) => i),
    seed: SEED,
    norm: "linf",
    epsilon: 0.3,
    options: {},
  };
  const errorOf = (broken: Uint8Array): number => broken.reduce((sum, value) => sum + value, 0) / COUNT;

  test(`${engineName}: a plain network after ${STEPS} steps is right on clean images, and PGD-40 breaks 99 % at 0.3`, () => {
    const clean = runAttack("pgd", { ...request, epsilon: 0 });
    assert.ok(errorOf(clean.broken) < 0.1, `clean error ${errorOf(clean.broken)}`);
    const found = runAttack("pgd", { ...request, options: { steps: 40, step_size: 0.01 } });
    assert.deepEqual(verifyAttack("pgd", request, found).problems, []);
    assert.ok(errorOf(found.broken) >= 0.99, `error ${errorOf(found.broken)}`);
  });

  test(`${engineName}: random signs of the same size break far fewer, and Square in between`, () => {
    const random = errorOf(runAttack("random-search", { ...request, options: { queries: 5 } }).broken);
    const square = errorOf(runAttack("square", { ...request, options: { queries: 50 } }).broken);
    assert.ok(random < 0.9 && square > random, `random ${random}, Square ${square}`);
  });
}
