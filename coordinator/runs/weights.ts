/** A network as it is measured: its state, under the hash that names it everywhere. */
import { hashOf } from "../../shared/io/hash.js";
import type { TrainingState } from "../../shared/records/checkpoint.js";

export interface Weights extends Pick<TrainingState, "step" | "parameters"> {
  /** SHA-256 of the parameters. */
  sha256: string;
}

export function weightsOf({ step, parameters }: TrainingState): Weights {
  return { step, parameters, sha256: hashOf(parameters) };
}
