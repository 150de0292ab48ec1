/** What is used of tfjs-node's backend; its own types would pull its addon into the compilation. */
import type { Tensor, TensorInfo } from "@tensorflow/tfjs-core";
import type { TensorFlow } from "./tfjs.js";

export interface OpAttribute {
  name: string;
  type: number;
  value: unknown;
}

type AttributeType =
  "TF_ATTR_INT" | "TF_ATTR_FLOAT" | "TF_ATTR_STRING" | "TF_ATTR_BOOL" | "TF_ATTR_TYPE" | "TF_FLOAT";

type Five<T> = [T, T, T, T, T];

export interface NodeBackend {
  readonly isUsingGpuDevice: boolean;
  readonly binding: Readonly<Record<AttributeType, number>> & { readonly TF_Version: string };
  executeSingleOutput(name: string, attributes: OpAttribute[], inputs: readonly TensorInfo[]): Tensor;
  executeMultipleOutputs(
    name: string,
    attributes: OpAttribute[],
    inputs: readonly Tensor[],
    outputs: 5,
  ): Five<Tensor>;
  executeMultipleOutputs(
    name: string,
    attributes: OpAttribute[],
    inputs: readonly Tensor[],
    outputs: 6,
  ): [...Five<Tensor>, Tensor];
  /** Opens a session on `saved_model.pb` of a folder. */
  loadSavedModelMetaGraph(folder: string, tags: string): number;
  runSavedModel(
    session: number,
    inputs: readonly Tensor[],
    inputInfos: readonly { name: string }[],
    outputNames: readonly string[],
  ): Tensor[];
  deleteSavedModel(session: number): void;
}

/** The current backend, which must be "tensorflow". */
export function nodeBackendOf(tf: TensorFlow): NodeBackend {
  return tf.backend() as unknown as NodeBackend;
}
