/**
 * Computes steps of a run again, alone in this process, with the code that workers train with. Started by `saf verify`; the
 * order comes as one line on standard input, which stays open for as long as somebody wants the answer.
 */
import { createInterface } from "node:readline";
import { setImmediate as yieldToEvents } from "node:timers/promises";
import { PartitionedDataset } from "../../coordinator/io/datasets/dataset.js";
import { loadDataset } from "../../coordinator/io/datasets/data-sets.js";
import { initialParameters } from "../../shared/core/layout.js";
import { ClusterError, wordsOf } from "../../shared/errors.js";
import { readCheckpoint } from "../../shared/io/checkpoint-files.js";
import { hashOf } from "../../shared/io/hash.js";
import { layoutOf } from "../../shared/networks/network.js";
import { resolveRun, stepPlan } from "../../shared/resolve.js";
import { startPrograms } from "../../worker/engine/start.js";
import { LocalTraining, trainedWith } from "../../worker/training/local-training.js";
import type { RecomputeOrder, RecomputeReport } from "./recompute-messages.js";

function say(report: RecomputeReport): void {
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

async function recompute({ engine, config, dataDir, stretches }: RecomputeOrder): Promise<void> {
  const programs = await startPrograms(engine);
  const run = resolveRun(config);
  const { network, seed, train } = run;
  const layout = layoutOf(network);
  const { set, dir } = config.data;
  const { dataset, meanImage } = new PartitionedDataset(await loadDataset(set, dataDir ?? dir, process.env));
  const { pixels, labels } = dataset.train;
  const context = {
    program: programs.create(network, layout),
    anchor: programs.create(network, layout),
    plan: stepPlan(config, run, labels.length),
    images: {
      seed,
      images: { pixels, labels, count: labels.length, imageSize: meanImage.length },
      realCount: Math.min(config.train.limit_images ?? labels.length, labels.length),
      realClasses: network.realClasses,
      mean: meanImage,
      augmentation: network.augmentation,
    },
  };
  const rule = { seed, stages: train.stages, momentum: train.momentum, weightDecay: train.weightDecay };
  for (const { checkpoint, end, hashAfter } of stretches) {
    const start = checkpoint === undefined ? undefined : (await readCheckpoint(checkpoint, layout)).state;
    if (start?.anchor !== undefined)
      context.anchor.load(trainedWith(start.anchor.parameters, context.plan.codec, layout));
    const parameters = start?.parameters ?? initialParameters(layout, seed);
    const local = new LocalTraining(context, parameters, rule, start);
    await advance(local, end, hashAfter);
    local.dispose();
  }
}

async function advance(local: LocalTraining, end: number, hashAfter: readonly number[]): Promise<void> {
  while (local.step < end) {
    const { step } = local;
    say({ kind: "step", step: { step, ...local.advance() } });
    if (hashAfter.includes(local.step)) {
      const { parameters, velocity } = local;
      const state = { step: local.step, weightsSha256: hashOf(parameters), velocitySha256: hashOf(velocity) };
      say({ kind: "state", state });
    }
    // Whoever wants the answer may have gone.
    await yieldToEvents();
  }
}

const input = createInterface({ input: process.stdin });
input.once("close", () => process.exit(1));
input.once("line", (line) => {
  recompute(JSON.parse(line) as RecomputeOrder)
    .catch((error: unknown) => {
      const { code, hint } = error instanceof ClusterError ? error : { code: "unexpected", hint: undefined };
      say({ kind: "failed", code, message: wordsOf(error), hint });
    })
    .finally(() => process.stdout.write("", () => process.exit(0)));
});
