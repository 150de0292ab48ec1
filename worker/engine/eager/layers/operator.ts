/** What a layer must be able to do. Backward is written out, so that gradients leave the engine as they are ready. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Statistics, SurrogateSlope } from "../../program.js";

/** The current parameters as tensors, and what was derived from them, by name. They live until the next version. */
export interface Parameters {
  get(name: string): Tensor;
  /** A tensor computed once per version. */
  derived(name: string, compute: () => Tensor): Tensor;
}

/** Receives a gradient (or a batch moment) as soon as it is known; disposes nothing. */
export type Emit = (name: string, values: Tensor) => void;

export interface Forward {
  output: Tensor;
  /** Kept for backward; the network disposes them. */
  saved: Tensor[];
}

export interface Operator {
  /**
   * Output for an input [batch, height, width, channels]. With batch statistics, moments are emitted, already
   * multiplied by the batch's image count. The caller owns input and output.
   */
  forward(
    parameters: Parameters,
    input: Tensor,
    statistics: Statistics,
    emitMoment: Emit | undefined,
  ): Forward;
  /**
   * From ∂L/∂output to ∂L/∂input, or undefined where `wantInput` is false. Weight gradients are emitted when `emit` is
   * given. The caller owns `gradient`, `input`, `output` and the result.
   */
  backward(
    parameters: Parameters,
    at: {
      input: Tensor;
      output: Tensor;
      saved: readonly Tensor[];
      statistics: Statistics;
      surrogate?: SurrogateSlope | undefined;
    },
    gradient: Tensor,
    wantInput: boolean,
    emit: Emit | undefined,
  ): Tensor | undefined;
}

export function emitAndDispose(emit: Emit, name: string, values: Tensor): void {
  emit(name, values);
  values.dispose();
}
