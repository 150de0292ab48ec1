/**
 * The bare engine loop: the cluster's training step in one process, without a cluster. Started by `saf bench`:
 * node bare-loop.js <engine> <model> <batch> <slots> <steps> [data set]; prints one JSON line.
 */
import { loadavg } from "node:os";
import { engineNamed } from "../main.js";
import { startPrograms } from "../engine/start.js";
import { madeUpTraining } from "./made-up-training.js";

/** Until the code is compiled and optimized, as in any training that lasts. */
const WARM_UP_STEPS = 100;

const [engineName = "wasm", model = "mrelu-r-m", batch = "128", slots = "4", steps = "100", set = "mnist"] =
  process.argv.slice(2);
const programs = await startPrograms(engineNamed(engineName));
const training = madeUpTraining(programs, { set, model, batch: Number(batch), slots: Number(slots) });

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
