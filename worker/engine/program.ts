/**
 * What a network can be asked, on whatever engine it runs: arrays in, arrays out. Attacks, measures and training know
 * this file and nothing below it.
 *
 * Inputs are [images x values], pixels 0..255 less the mean image; outputs are z of the last layer, [images x outputs].
 * The network's own loss is part of the network (`head`), so an engine may compute it where it likes. Any other loss stays
 * outside: its owner reads the outputs and hands ∂L/∂z back. No engine runs code that it does not know.
 */
import type { EngineInfo, SelfTestReport } from "../../shared/engine.js";
import type { Layout } from "../../shared/core/layout.js";
import type { Network } from "../../shared/networks/network.js";

/** Batch norm's statistics: of this batch (training), or the stored running moments (evaluation). */
export type Statistics = "batch" | "stored";

/**
 * An attacker's slope for symmetric activations (SAF) of width w where they suppress, |x| >= w: that of a tent or RBF so many
 * times as wide. Inside, and at 1 for the activation's own shape, the slope stays the true one.
 */
export interface SurrogateSlope {
  kind: "tent" | "rbf";
  width: number;
  /** An RBF head's −z² has at least the slope that it has at this |z|. */
  headFloor: number;
}

/** Takes what a slot pushes (shared/core/layout.ts), piece by piece. */
export interface PushSink {
  /** `values` stand from `offset` on; they are read before the call returns. */
  add(offset: number, values: Float32Array): void;
}

/** Which images of which step a slot has. */
export interface SlotIdentity {
  seed: number;
  step: number;
  indices: Uint32Array;
}

/** A network on an engine, with parameters of its own. One caller at a time. */
export interface Program {
  readonly network: Network;
  readonly layout: Layout;

  /** Replaces the parameters, a vector laid out by `layout`; copied. Without any, all below throw RangeError. */
  load(parameters: Float32Array): void;

  /**
   * One slot with the network's own loss and the statistics of these images. Each of the `layout.pushSize` values reaches
   * the sink once, as soon as it is known: batch moments (times the number of images) and the tail (loss, hits, samples),
   * then the gradients, last layer first.
   */
  train(inputs: Float32Array, labels: Uint8Array, sink: PushSink): void;

  /** Instead of `train`, for an engine that looks at no picture: nobody need make any. */
  trainUnseen?(slot: SlotIdentity, sink: PushSink): void;

  /** Outputs alone, with stored statistics. */
  predict(inputs: Float32Array): Float32Array;

  /** Outputs, and then as many gradients by the input as are asked for. The caller disposes the pass. */
  forward(inputs: Float32Array, statistics: Statistics): Pass;

  /** What each place of `featureTaps(network)` answers, [images x units], with stored statistics. */
  features(inputs: Float32Array): Float32Array[];

  dispose(): void;
}

/** A forward pass that can be walked back, more than once. It holds the engine's memory until it is disposed. */
export interface Pass {
  readonly outputs: Float32Array;
  /** ∂L/∂input [images x values] from ∂L/∂z [images x outputs]. A surrogate changes slopes, never outputs. */
  inputGradient(outputGradient: Float32Array, surrogate?: SurrogateSlope): Float32Array;
  dispose(): void;
}

/** An engine that is started: it makes programs of networks. */
export interface Programs {
  readonly info: EngineInfo;
  /** Compares its gradients with a reference; a worker whose engine fails may not join. */
  selfTest(): SelfTestReport;
  create(network: Network, layout: Layout): Program;
  /** What lives in the engine: a number that rises from order to order is a leak. */
  living(): Living;
}

export interface Living {
  tensors: number;
  tensorBytes: number;
}
