/** A checkpoint: what it holds, how it is described, and a flat vector as named tensors. */
import type { Layout } from "../core/layout.js";
import type { NamedTensor } from "../core/safetensors.js";
import { ClusterError } from "../errors.js";

/** Weights of an earlier version. */
export interface KeptWeights {
  step: number;
  parameters: Float32Array;
}

/** The whole state between two steps. */
export interface TrainingState {
  /** Steps committed; also the version of the parameters. */
  step: number;
  parameters: Float32Array;
  velocity: Float32Array;
  /** Flag A: the weights on which it makes its images, from the second epoch on. */
  anchor?: KeptWeights | undefined;
}

export interface Checkpoint {
  state: TrainingState;
  description: CheckpointState;
}

/** `state.json`. */
export interface CheckpointState {
  step: number;
  model: string;
  /** SHA-256 of the parameter vector's bytes. */
  weights_sha256: string;
  /** SHA-256 of model.safetensors and optimizer.safetensors. */
  files_sha256: Record<string, string>;
  /** SHA-256 of what decides the run: see `runIdentity`. */
  identity: string;
  clean_accuracy: number | null;
  /** Step of the weights in anchor.safetensors, where flag A keeps some. */
  anchor_step?: number;
}

export function tensorsOf(layout: Layout, vector: Float32Array): NamedTensor[] {
  return layout.tensors.map(({ name, shape, offset, size }) => ({
    name,
    shape,
    values: vector.subarray(offset, offset + size),
  }));
}

/** The flat vector from named tensors. Throws ClusterError("shape-mismatch") naming the tensor and both shapes. */
export function vectorOf(layout: Layout, tensors: readonly NamedTensor[], what: string): Float32Array {
  const vector = new Float32Array(layout.size);
  for (const { name, shape, offset } of layout.tensors) {
    const found = tensors.find((tensor) => tensor.name === name);
    if (found === undefined)
      throw new ClusterError(
        "shape-mismatch",
        `${what} has no tensor "${name}" of shape [${shape.join(", ")}]`,
      );
    if (found.shape.join() !== shape.join()) {
      throw new ClusterError(
        "shape-mismatch",
        `${what}: tensor "${name}" has shape [${found.shape.join(", ")}], expected [${shape.join(", ")}]`,
      );
    }
    vector.set(found.values, offset);
  }
  return vector;
}
