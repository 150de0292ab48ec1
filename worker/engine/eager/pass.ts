/** A forward pass whose tensors are kept until it is disposed. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Pass, Statistics, SurrogateSlope } from "../program.js";
import type { Emit, Operator, Parameters } from "./layers/operator.js";
import type { TensorFlow } from "./tfjs.js";

interface Step {
  operator: Operator;
  input: Tensor;
  output: Tensor;
  saved: readonly Tensor[];
  statistics: Statistics;
}

export class EagerPass implements Pass {
  readonly outputs: Float32Array;
  readonly #tf: TensorFlow;
  readonly #parameters: Parameters;
  readonly #input: Tensor;
  readonly #steps: Step[] = [];

  /** Takes `input` [batch, height, width, channels] over. `emitMoment` receives batch moments. */
  constructor(
    tf: TensorFlow,
    operators: readonly Operator[],
    parameters: Parameters,
    input: Tensor,
    statistics: Statistics,
    emitMoment?: Emit,
  ) {
    this.#tf = tf;
    this.#parameters = parameters;
    this.#input = input;
    let current = input;
    for (const operator of operators) {
      const { output, saved } = operator.forward(parameters, current, statistics, emitMoment);
      this.#steps.push({ operator, input: current, output, saved, statistics });
      current = output;
    }
    this.outputs = current.dataSync<"float32">();
  }

  inputGradient(outputGradient: Float32Array, surrogate?: SurrogateSlope): Float32Array {
    const tensor = this.backward(outputGradient, { wantInput: true, surrogate });
    if (tensor === undefined) throw new RangeError("The network gave no input gradient");
    const values = tensor.dataSync<"float32">();
    tensor.dispose();
    return values;
  }

  /**
   * Walks back from ∂L/∂z [batch x outputs]. With `emit`, weight gradients leave as they are ready, last layer first.
   * Returns ∂L/∂input [batch, height, width, channels] (the caller disposes it) when `wantInput`.
   */
  backward(
    gradient: Float32Array,
    {
      emit,
      wantInput,
      surrogate,
    }: { emit?: Emit; wantInput: boolean; surrogate?: SurrogateSlope | undefined },
  ): Tensor | undefined {
    const count = this.#input.shape[0];
    let flowing: Tensor = this.#tf.tensor(gradient, [count, 1, 1, gradient.length / count]);
    for (let i = this.#steps.length - 1; i >= 0; i--) {
      const { operator, ...at } = this.#steps[i]!;
      const next = operator.backward(
        this.#parameters,
        { ...at, surrogate },
        flowing,
        i > 0 || wantInput,
        emit,
      );
      flowing.dispose();
      if (next === undefined) return undefined;
      flowing = next;
    }
    return flowing;
  }

  dispose(): void {
    this.#input.dispose();
    for (const { output, saved } of this.#steps) {
      output.dispose();
      for (const tensor of saved) tensor.dispose();
    }
  }
}
