/** Reads checkpoint folders. */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Layout } from "../core/layout.js";
import { decodeSafetensors } from "../core/safetensors.js";
import { ClusterError, codeIn } from "../errors.js";
import { type Checkpoint, type CheckpointState, vectorOf } from "../records/checkpoint.js";
import { storageError } from "./atomic-file.js";
import { hashOf } from "./hash.js";

const FOLDER = /^step-\d{8}$/;

export const isCheckpointName = (name: string): boolean => FOLDER.test(name);

/** Folders of checkpoints, by step. A folder that is not there has none. Throws ClusterError("storage"). */
export async function checkpointNames(directory: string): Promise<string[]> {
  const all = await readdir(directory).catch((cause: unknown) => {
    if (codeIn(cause) === "ENOENT") return [];
    throw storageError(`list the checkpoints in ${directory}`, cause);
  });
  return all.filter(isCheckpointName).sort();
}

/** Throws ClusterError("data") when the checkpoint is damaged or does not fit the network. */
export async function readCheckpoint(path: string, layout: Layout): Promise<Checkpoint> {
  const description = await readDescription(path);
  const vector = async (file: string): Promise<Float32Array> => {
    const bytes = await readFile(join(path, file)).catch((cause: unknown) => {
      throw new ClusterError("data", `Cannot read checkpoint ${join(path, file)}`, { cause });
    });
    const found = hashOf(bytes);
    const expected = description.files_sha256[file] ?? "none recorded";
    if (found !== expected) {
      throw new ClusterError(
        "data",
        `Checkpoint file ${join(path, file)} is corrupt: expected SHA-256 ${expected}, found ${found}`,
      );
    }
    return vectorOf(layout, decodeSafetensors(bytes, join(path, file)).tensors, join(path, file));
  };
  const parameters = await vector("model.safetensors");
  const velocity = await vector("optimizer.safetensors");
  const anchor =
    description.anchor_step === undefined
      ? undefined
      : { step: description.anchor_step, parameters: await vector("anchor.safetensors") };
  return { state: { step: description.step, parameters, velocity, anchor }, description };
}

/** `state.json` of a checkpoint folder. Throws ClusterError("data") when it is missing or damaged. */
export async function readDescription(path: string): Promise<CheckpointState> {
  const found = await readFile(join(path, "state.json"), "utf8")
    .then((text) => JSON.parse(text) as Partial<CheckpointState> | null)
    .catch((cause: unknown) => {
      throw new ClusterError("data", `Cannot read checkpoint ${path}: state.json is missing or damaged`, {
        cause,
      });
    });
  if (
    !Number.isSafeInteger(found?.step) ||
    typeof found?.files_sha256 !== "object" ||
    found.files_sha256 === null
  ) {
    throw new ClusterError("data", `Cannot read checkpoint ${path}: state.json does not describe one`);
  }
  return found as CheckpointState;
}
