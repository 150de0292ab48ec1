/**
 * The paper's fast gradient sign attack: METHOD.md 1.11. For each image, the gradient of the loss toward each wrong
 * class is taken; the class whose gradient has the largest L1 norm wins, and its sign is the direction for all β.
 * One forward pass serves all classes.
 */
import { lossOf } from "../../core/losses/loss.js";
import type { DirectionAttack } from "./attack.js";

export const paperDirection: DirectionAttack = ({ network, engine, statistics }, inputs, labels) => {
  const { outputs, realClasses } = network;
  const imageSize = network.input.height * network.input.width * network.input.channels;
  const count = inputs.length / imageSize;
  const loss = lossOf(network.head);
  const direction = new Int8Array(inputs.length);
  const largest = new Float64Array(count).fill(-1);

  const pass = engine.forward(inputs, statistics);
  const gradient = new Float32Array(pass.outputs.length);
  // Round k aims every image at its k-th wrong class; a nonsense image has no right one, so it takes all.
  for (let k = labels === null ? 0 : 1; k < realClasses; k++) {
    for (let i = 0; i < count; i++) {
      const target = ((labels?.[i] ?? 0) + k) % realClasses;
      loss.gradient(pass.outputs, i * outputs, outputs, target, gradient);
    }
    const tensor = pass.backward(gradient, { wantInput: true });
    if (tensor === undefined) throw new RangeError("The network gave no input gradient");
    keepLargest(tensor.dataSync<"float32">(), imageSize, largest, direction);
    tensor.dispose();
  }
  pass.dispose();
  return direction;
};

function keepLargest(gradient: Float32Array, imageSize: number, largest: Float64Array, direction: Int8Array): void {
  for (let i = 0; i < largest.length; i++) {
    const start = i * imageSize;
    let norm = 0;
    for (let p = start; p < start + imageSize; p++) norm += Math.abs(gradient[p] as number);
    if (norm <= (largest[i] as number)) continue;
    largest[i] = norm;
    for (let p = start; p < start + imageSize; p++) direction[p] = Math.sign(gradient[p] as number);
  }
}
