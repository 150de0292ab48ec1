/** What batch norm is given and gives, however it is computed. */
import type { Ref } from "../graph-builder.js";

/** METHOD.md 1.4. */
export const VARIANCE_EPSILON = 1e-4;
/** oneDNN works on so many channels at a time; 50 cost 10 times what 64 do. */
export const LANES = 16;

export interface NormInputs {
  scale: Ref;
  shift: Ref;
  /** A scalar: how many values there are of a channel. */
  values: Ref;
  device: "cpu" | "gpu";
  /** Of an image. */
  height: number;
  width: number;
  channels: number;
}

export interface Normalised {
  output: Ref;
  /** Of the batch, per channel. */
  mean: Ref;
  deviation: Ref;
  /** For the gradient. */
  saved: readonly Ref[];
}
