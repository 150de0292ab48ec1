/** Weights from elsewhere as the first checkpoint of a run directory, so that they are measured like a run's own. */
import { readFile, stat } from "node:fs/promises";
import { stringify } from "yaml";
import { type NetworkSettings, networkSchema } from "../../shared/config/network.js";
import type { Config } from "../../shared/config/run.js";
import { type Layout } from "../../shared/core/layout.js";
import { type NamedTensor, decodeSafetensors } from "../../shared/core/safetensors.js";
import { ClusterError } from "../../shared/errors.js";
import { layoutOf } from "../../shared/networks/network.js";
import { resolveRun } from "../../shared/resolve.js";
import { IMPORTED } from "../runs/storage.js";
import { Checkpoints } from "./checkpoints.js";
import { RunDirectory, createFreshDirectory } from "./run-directory.js";
import { tensorsOf, vectorOf } from "../../shared/records/checkpoint.js";

/** A header, and tensors that are then refused by name. */
const MAX_EXTRA_BYTES = 64 * 1024 * 1024;

/**
 * The parameter vector in a safetensors file. Throws ClusterError: "data" for a file that cannot be read or holds values
 * that are no finite numbers, "shape-mismatch" naming the tensor, the expected and the found shape.
 */
export async function readForeignWeights(file: string, model: string, layout: Layout): Promise<Float32Array> {
  const most = 4 * layout.size + MAX_EXTRA_BYTES;
  const { size } = await stat(file).catch((cause: unknown) => unreadable(file, cause));
  if (size > most)
    throw new ClusterError("data", `${file} has ${size} bytes, the weights of "${model}" at most ${most}`, {
      hint: expectedTensors(layout),
    });
  const { tensors, metadata } = await readWeightsFile(file);
  if (metadata["what"] === "momentum") {
    throw new ClusterError("data", `${file} holds an optimizer's momentum, not weights`, {
      hint: "the weights of a checkpoint are in its model.safetensors",
    });
  }
  // Misfits first: a file for another network is better told by its shapes than by what is left over.
  const vector = withHint(layout, model, () => vectorOf(layout, tensors, file));
  const stranger = tensors.find(({ name }) => !layout.tensors.some((tensor) => tensor.name === name));
  if (stranger !== undefined) {
    throw new ClusterError(
      "shape-mismatch",
      `${file}: "${model}" has no place for tensor "${stranger.name}" of shape [${stranger.shape.join(", ")}]`,
      { hint: expectedTensors(layout) },
    );
  }
  refuseNaN(tensors, file);
  return vector;
}

async function readWeightsFile(file: string): Promise<ReturnType<typeof decodeSafetensors>> {
  const bytes = await readFile(file).catch((cause: unknown) => unreadable(file, cause));
  return decodeSafetensors(bytes, file);
}

function unreadable(file: string, cause: unknown): never {
  throw new ClusterError("data", `Cannot read the weights file ${file}`, { cause });
}

/** Of a file that is for no network of ours. */
const MAX_WEIGHTS_BYTES = 1024 * 1024 * 1024;

/** The network that a file says it is for: our checkpoints and exports do. Throws ClusterError("data"). */
export async function weightsNetwork(
  file: string,
): Promise<{ model: string | undefined; settings: NetworkSettings | undefined }> {
  const metadata = await metadataOf(file);
  return { model: metadata["model"], settings: settingsIn(metadata, file) };
}

/**
 * What a file says of its network beside the model's name. Undefined where it says nothing, and where it cannot be read:
 * whoever reads its weights says why. Throws ClusterError("data").
 */
export async function weightsSettings(file: string): Promise<NetworkSettings | undefined> {
  return settingsIn(await metadataOf(file).catch(() => ({})), file);
}

async function metadataOf(file: string): Promise<Record<string, string>> {
  const { size } = await stat(file).catch((cause: unknown) => unreadable(file, cause));
  if (size > MAX_WEIGHTS_BYTES)
    throw new ClusterError("data", `${file} has ${size} bytes, weights at most ${MAX_WEIGHTS_BYTES}`);
  return (await readWeightsFile(file)).metadata;
}

function settingsIn(
  { network_settings: text }: Readonly<Record<string, string>>,
  file: string,
): NetworkSettings | undefined {
  if (text === undefined) return undefined;
  try {
    return networkSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ClusterError(
      "data",
      `${file} says of its network what this version does not understand: ${text}`,
      {
        cause,
      },
    );
  }
}

/** Throws ClusterError("data") naming the tensor and the first value that is no number. */
export function refuseNonFinite(layout: Layout, parameters: Float32Array, what: string): void {
  refuseNaN(tensorsOf(layout, parameters), what);
}

function withHint<Value>(layout: Layout, model: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error;
    throw new ClusterError(error.code, `${error.message}, as model "${model}" needs it`, {
      hint: expectedTensors(layout),
    });
  }
}

function expectedTensors(layout: Layout): string {
  return `tensors: ${layout.tensors.map(({ name, shape }) => `${name} [${shape.join(", ")}]`).join(", ")}`;
}

function refuseNaN(tensors: readonly NamedTensor[], file: string): void {
  for (const { name, values } of tensors) {
    const at = values.findIndex((value) => !Number.isFinite(value));
    if (at < 0) continue;
    throw new ClusterError("data", `${file}: tensor "${name}" holds ${values[at]} at position ${at}`);
  }
}

/** Writes config.yaml and the checkpoint into `out`, which is not there yet. Throws as `readForeignWeights`, and ClusterError("storage"). */
export async function importWeights(file: string, config: Config, out: string): Promise<void> {
  const { network } = resolveRun(config);
  const layout = layoutOf(network);
  const parameters = await readForeignWeights(file, network.name, layout);
  await createFreshDirectory(out);
  await keepImported(config, parameters, out);
}

/** The same of weights that were read already. Throws ClusterError("storage"). */
export async function keepImported(config: Config, parameters: Float32Array, out: string): Promise<void> {
  const { network } = resolveRun(config);
  const layout = layoutOf(network);
  const directory = new RunDirectory(out);
  await directory.create();
  await directory.writeText("config.yaml", () => stringify(config));
  const checkpoints = new Checkpoints(directory.checkpoints, layout, config.train.keep_checkpoints);
  await checkpoints.write(
    { step: 0, parameters, velocity: new Float32Array(layout.size) },
    {
      model: network.name,
      settings: network.settings,
      identity: IMPORTED,
      cleanAccuracy: null,
      best: false,
    },
  );
}
