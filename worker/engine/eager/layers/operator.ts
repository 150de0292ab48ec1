/** What a layer must be able to do. Backward is written out, so that gradients leave the engine as they are ready. */
import type * as tfc from "@tensorflow/tfjs-core";

export type TensorFlow = typeof tfc;

/** Batch norm's statistics: of this batch (training), or the stored running moments (evaluation). */
export type Statistics = "batch" | "stored";

/**
 * An attacker's slope for symmetric activations (SAF) where they suppress, |x| >= 1: that of a tent or RBF of this half
 * width. Inside, and at width 1 for the activation's own shape, the slope stays the true one.
 */
export interface SurrogateSlope {
  kind: "tent" | "rbf";
  width: number;
  /** An RBF head's −z² has at least the slope that it has at this |z|. */
  headFloor: number;
}

/** The current parameters as tensors, and what was derived from them, by name. They live until the next version. */
export interface Parameters {
  get(name: string): tfc.Tensor;
  /** A tensor computed once per version. */
  derived(name: string, compute: () => tfc.Tensor): tfc.Tensor;
}

/** Receives a gradient (or a batch moment) as soon as it is known; disposes nothing. */
export type Emit = (name: string, values: tfc.Tensor) => void;

export interface Forward {
  output: tfc.Tensor;
  /** Kept for backward; the network disposes them. */
  saved: tfc.Tensor[];
}

export interface Operator {
  /**
   * Output for an input [batch, height, width, channels]. With batch statistics, moments are emitted, already
   * multiplied by the batch's image count. The caller owns input and output.
   */
  forward(
    parameters: Parameters,
    input: tfc.Tensor,
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
      input: tfc.Tensor;
      output: tfc.Tensor;
      saved: readonly tfc.Tensor[];
      statistics: Statistics;
      surrogate?: SurrogateSlope | undefined;
    },
    gradient: tfc.Tensor,
    wantInput: boolean,
    emit: Emit | undefined,
  ): tfc.Tensor | undefined;
}
