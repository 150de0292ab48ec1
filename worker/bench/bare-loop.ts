/**
 * The bare engine loop: the cluster's training step in one process, without a cluster. Started by `saf bench`:
 * node bare-loop.js <engine> <model> <batch> <slots> <steps> [data set]; prints one JSON line.
 */
import { loadavg } from "node:os";
import { configSchema } from "../../shared/config/run.js";
import { initialParameters } from "../../shared/core/layout.js";
import { layoutOf } from "../../shared/networks/network.js";
import { RandomStream } from "../../shared/random.js";
import { resolveRun, stepPlan } from "../../shared/resolve.js";
import type { ImageSet } from "../core/training-images.js";
import { engineNamed } from "../main.js";
import { startPrograms } from "../engine/start.js";
import { LocalTraining } from "../training/local-training.js";

/** Until the code is compiled and optimized, as in any training that lasts. */
const WARM_UP_STEPS = 100;
/** Speed does not depend on what the images show. */
const IMAGES = 20_000;

const [engineName = "wasm", model = "mrelu-r-m", batch = "128", slots = "4", steps = "100", set = "mnist"] =
  process.argv.slice(2);
const programs = await startPrograms(engineNamed(engineName));
const config = configSchema.parse({
  model,
  data: { set },
  train: { batch_size: Number(batch), slots: Number(slots) },
});
const run = resolveRun(config);
const { network } = run;
const layout = layoutOf(network);
const imageSize = network.input.height * network.input.width * network.input.channels;
const training = new LocalTraining(
  {
    program: programs.create(network, layout),
    anchor: programs.create(network, layout),
    plan: stepPlan(config, run, IMAGES),
    images: {
      seed: 0,
      images: randomImages(imageSize),
      realCount: IMAGES,
      realClasses: network.realClasses,
      mean: new Float32Array(imageSize).fill(33),
      augmentation: network.augmentation,
    },
  },
  initialParameters(layout, 0),
  { seed: 0, stages: run.train.stages, momentum: run.train.momentum, weightDecay: run.train.weightDecay },
);

for (let i = 0; i < WARM_UP_STEPS; i++) training.advance();
const cpuBefore = process.cpuUsage();
const began = performance.now();
for (let i = 0; i < Number(steps); i++) training.advance();
const seconds = (performance.now() - began) / 1000;
const cpu = process.cpuUsage(cpuBefore);
const samples = Number(steps) * Number(batch);
process.stdout.write(
  `${JSON.stringify({
    samples_per_second: samples / seconds,
    samples_per_cpu_second: samples / ((cpu.user + cpu.system) / 1e6),
    seconds,
    cpu_seconds: (cpu.user + cpu.system) / 1e6,
    rss_bytes: process.memoryUsage.rss(),
    engine: programs.info.version,
    load: loadavg()[0],
  })}\n`,
);

function randomImages(size: number): ImageSet {
  const stream = new RandomStream(1, "noisy");
  const pixels = new Uint8Array(IMAGES * size);
  for (let i = 0; i < pixels.length; i++) pixels[i] = stream.uint32() & 255;
  return {
    pixels,
    labels: Uint8Array.from({ length: IMAGES }, (_, i) => i % 10),
    count: IMAGES,
    imageSize: size,
  };
}
