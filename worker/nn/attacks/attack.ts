/** What every attack is: one function from inputs to a direction per image. */
import type { Network } from "../../../shared/networks/network.js";
import type { Statistics } from "../layers/operator.js";
import type { NetworkEngine } from "../network-engine.js";

export interface AttackContext {
  network: Network;
  engine: NetworkEngine;
  /** Batch norm while the gradient is taken; "batch" is what the paper's release did. */
  statistics: Statistics;
}

/** Directions with entries −1, 0, +1: the attacked image is input − 255·β·direction. */
export type DirectionAttack = (
  context: AttackContext,
  inputs: Float32Array,
  /** True classes, or null where an image has none (nonsense). */
  labels: Uint8Array | null,
) => Int8Array;
