/**
 * A small fixed computation whose bits tell engines apart: one training step and one gradient by the input of two networks
 * with fixed weights and images. Libraries choose kernels, and the order of their sums, by the processor and its caches;
 * what came of the choice is seen here, whatever the reason.
 */
import { createHash } from "node:crypto";
import type { EngineInfo } from "../../shared/engine.js";
import type { EngineFingerprint } from "../../shared/fingerprint.js";
import { initialParameters } from "../../shared/core/layout.js";
import { type Network, layoutOf } from "../../shared/networks/network.js";
import { networkNamed } from "../../shared/networks/registry.js";
import { RandomStream } from "../../shared/random.js";
import { decidingFlags, processorSets } from "./environment.js";
import type { Programs } from "./program.js";

const SEED = 20_160_101;
/** Convolutions, pools, batch norm, mirrored ReLU and softmax of both blueprints; so many images each. */
const SUBJECTS: readonly (readonly [dataset: string, model: string, images: number])[] = [
  ["mnist", "mrelu", 4],
  ["cifar10", "mrelu", 2],
];

/** Of the engine of this thread. */
export function fingerprintOf({ name, version, device }: EngineInfo, sample: string): EngineFingerprint {
  const flags = decidingFlags(name, process.env);
  return { engine: name, version, device, flags, cpu: processorSets(), sample };
}

/** SHA-256 in hex. Leaves nothing behind in the engine. */
export function sampleOf(programs: Programs): string {
  const hash = createHash("sha256");
  for (const [dataset, model, images] of SUBJECTS)
    for (const values of computed(programs, networkNamed(dataset, model), images))
      hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return hash.digest("hex");
}

function computed(programs: Programs, network: Network, images: number): Float32Array[] {
  const layout = layoutOf(network);
  const { height, width, channels } = network.input;
  const random = new RandomStream(SEED, "initialisation", images, 0);
  const inputs = Float32Array.from(
    { length: images * height * width * channels },
    () => 256 * random.uniform() - 128,
  );
  const labels = Uint8Array.from({ length: images }, (_, image) => image % network.realClasses);
  const pushed = new Float32Array(layout.pushSize);
  const program = programs.create(network, layout);
  try {
    program.load(initialParameters(layout, SEED));
    program.train(inputs, labels, { add: (offset, values) => pushed.set(values, offset) });
    const pass = program.forward(inputs, "batch");
    const outputs = pass.outputs.slice();
    const gradient = pass.inputGradient(outputs).slice();
    pass.dispose();
    return [pushed, outputs, gradient];
  } finally {
    program.dispose();
  }
}
