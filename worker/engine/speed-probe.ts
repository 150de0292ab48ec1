/** How fast an engine trains here: a slot of the plain MNIST network on made-up digits, by which the ladder's rungs are compared. */
import { initialParameters } from "../../shared/core/layout.js";
import { layoutOf } from "../../shared/networks/network.js";
import { networkNamed } from "../../shared/networks/registry.js";
import type { Programs } from "./program.js";

export interface Speed {
  /** Samples per second of wall-clock time. */
  samplesPerSecond: number;
  /** Samples per second of processor time, all threads: steadier on a busy machine. */
  samplesPerCpuSecond: number;
  steps: number;
}

/** Loads weights and trains a slot for at least `seconds` after two steps of warming up. Leaves no tensor behind. */
export function measureSpeed(programs: Programs, { batch = 64, seconds = 0.4 } = {}): Speed {
  const network = networkNamed("mnist", "plain");
  const layout = layoutOf(network);
  const { height, width, channels } = network.input;
  const inputs = new Float32Array(batch * height * width * channels).map((_, i) => ((i * 37) % 256) - 128);
  const labels = new Uint8Array(batch).map((_, i) => i % network.realClasses);
  const parameters = initialParameters(layout, 0);
  const program = programs.create(network, layout);
  const step = (): void => {
    program.load(parameters);
    program.train(inputs, labels, { add: () => undefined });
  };
  try {
    step();
    step();
    const cpuBefore = process.cpuUsage();
    const start = performance.now();
    let steps = 0;
    while (performance.now() - start < seconds * 1000) {
      step();
      steps++;
    }
    const wallSeconds = (performance.now() - start) / 1000;
    const cpu = process.cpuUsage(cpuBefore);
    const samples = steps * batch;
    return {
      samplesPerSecond: samples / wallSeconds,
      samplesPerCpuSecond: samples / ((cpu.user + cpu.system) / 1e6),
      steps,
    };
  } finally {
    program.dispose();
  }
}
