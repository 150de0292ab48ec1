/**
 * Programs of one covering convolution, in plain arithmetic: the same numbers on every machine, without an engine. Sums are
 * made in float64, in the order of the pixels.
 */
import { layoutOf, type Network } from "../../shared/networks/network.js";
import type { Program, Programs } from "../../worker/engine/program.js";

function linearProgram(network: Network): Program {
  const layout = layoutOf(network);
  const { outputs, input } = network;
  const pixels = input.height * input.width * input.channels;
  let parameters = new Float32Array(layout.size);
  const offsetOf = (part: string): number =>
    layout.tensors.find(({ name }) => name.endsWith(part))?.offset ?? 0;
  const [weights, bias] = [offsetOf("/weight"), offsetOf("/bias")];
  const predict = (inputs: Float32Array): Float32Array =>
    Float32Array.from({ length: (inputs.length / pixels) * outputs }, (_, at) => {
      const [image, output] = [Math.floor(at / outputs), at % outputs];
      let sum = parameters[bias + output]!;
      for (let p = 0; p < pixels; p++)
        sum += inputs[image * pixels + p]! * parameters[weights + p * outputs + output]!;
      return sum;
    });
  const inputGradient = (outputGradient: Float32Array): Float32Array =>
    Float32Array.from({ length: (outputGradient.length / outputs) * pixels }, (_, at) => {
      const [image, p] = [Math.floor(at / pixels), at % pixels];
      let sum = 0;
      for (let output = 0; output < outputs; output++)
        sum += outputGradient[image * outputs + output]! * parameters[weights + p * outputs + output]!;
      return sum;
    });
  const unasked = (): never => {
    throw new Error("Not asked for");
  };
  return {
    network,
    layout,
    load: (found) => void (parameters = found.slice()),
    predict,
    forward: (inputs) => ({ outputs: predict(inputs), inputGradient, dispose: () => undefined }),
    ...{ train: unasked, features: unasked },
    dispose: () => undefined,
  };
}

/** As much of an engine as makes such programs. */
export const linearPrograms = { create: linearProgram } as unknown as Programs;
