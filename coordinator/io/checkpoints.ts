/** Checkpoints: folders step-XXXXXXXX with safetensors and state.json, `latest` and `best` as links. */
import { createHash } from "node:crypto";
import { readFile, readdir, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import type { Layout } from "../../shared/core/layout.js";
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from "../../shared/core/safetensors.js";
import { ClusterError } from "../../shared/errors.js";
import type { TrainingState } from "../training/training-types.js";
import { storageError, writeDirectoryAtomic, writeFileAtomic } from "./atomic-file.js";

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

const FOLDER = /^step-(\d{8})$/;
/** What a writer that was killed had begun. */
const UNFINISHED = /^\.step-\d{8}\..*part$/;

export function hashOf(bytes: Uint8Array | Float32Array): string {
  return createHash("sha256")
    .update(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    .digest("hex");
}

export class Checkpoints {
  readonly #directory: string;
  readonly #layout: Layout;
  readonly #keep: number;

  /** `directory`: the run's `checkpoints` folder, which exists. */
  constructor(directory: string, layout: Layout, keep: number) {
    this.#directory = directory;
    this.#layout = layout;
    this.#keep = keep;
  }

  /**
   * Writes the state, moves `latest` (and `best`) to it, removes old ones. Throws ClusterError("storage"); the
   * checkpoints before it stay as they were.
   */
  async write(
    state: TrainingState,
    info: { model: string; identity: string; cleanAccuracy: number | null; best: boolean },
  ): Promise<{ path: string; bytes: number }> {
    const files: Record<string, Uint8Array> = {
      "model.safetensors": encodeSafetensors({
        tensors: tensorsOf(this.#layout, state.parameters),
        metadata: { model: info.model, step: String(state.step), format: "saf-1" },
      }),
      "optimizer.safetensors": encodeSafetensors({
        tensors: tensorsOf(this.#layout, state.velocity),
        metadata: { what: "momentum", step: String(state.step) },
      }),
    };
    if (state.anchor !== undefined) {
      files["anchor.safetensors"] = encodeSafetensors({
        tensors: tensorsOf(this.#layout, state.anchor.parameters),
        metadata: { what: "weights that flag A attacks", step: String(state.anchor.step) },
      });
    }
    const description: CheckpointState = {
      step: state.step,
      model: info.model,
      weights_sha256: hashOf(state.parameters),
      files_sha256: Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, hashOf(bytes)])),
      identity: info.identity,
      clean_accuracy: info.cleanAccuracy,
      ...(state.anchor === undefined ? {} : { anchor_step: state.anchor.step }),
    };
    const name = `step-${String(state.step).padStart(8, "0")}`;
    const path = join(this.#directory, name);
    const text = (found: CheckpointState): string => `${JSON.stringify(found, null, 2)}\n`;
    const existing = await this.read(name).catch(() => undefined);
    if (existing !== undefined && sameFiles(existing.description, description)) {
      // Written before, and whole: to write it anew would risk it, and forget an accuracy.
      description.clean_accuracy ??= existing.description.clean_accuracy;
      await writeFileAtomic(join(path, "state.json"), text(description));
    } else {
      await writeDirectoryAtomic(path, { ...files, "state.json": text(description) });
    }
    await this.#point("latest", name);
    if (info.best) await this.#point("best", name);
    await this.#prune(name);
    return { path, bytes: Object.values(files).reduce((sum, { byteLength }) => sum + byteLength, 0) };
  }

  /** The newest checkpoint that is whole, or undefined. Damaged ones are passed over and named in `onDamaged`. */
  async readLatest(
    onDamaged: (message: string) => void,
  ): Promise<{ state: TrainingState; description: CheckpointState } | undefined> {
    const names = (await readdir(this.#directory).catch(() => []))
      .filter((name) => FOLDER.test(name))
      .sort()
      .reverse();
    for (const name of names) {
      try {
        return await this.read(name);
      } catch (error) {
        onDamaged(error instanceof Error ? error.message : String(error));
      }
    }
    return undefined;
  }

  /** Throws ClusterError("data") when the checkpoint is damaged or does not fit the network. */
  async read(name: string): Promise<{ state: TrainingState; description: CheckpointState }> {
    const path = join(this.#directory, name);
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
      return vectorOf(this.#layout, decodeSafetensors(bytes, join(path, file)).tensors, join(path, file));
    };
    const parameters = await vector("model.safetensors");
    const velocity = await vector("optimizer.safetensors");
    const anchor =
      description.anchor_step === undefined
        ? undefined
        : { step: description.anchor_step, parameters: await vector("anchor.safetensors") };
    return { state: { step: description.step, parameters, velocity, anchor }, description };
  }

  async #point(link: string, target: string): Promise<void> {
    const aside = join(this.#directory, `.${link}.${process.pid}`);
    try {
      await rm(aside, { force: true });
      await symlink(target, aside);
      await rename(aside, join(this.#directory, link));
    } catch (cause) {
      throw storageError(`move the link ${join(this.#directory, link)}`, cause);
    }
  }

  /** Keeps the newest up to the one just written. Later ones are of a run that went back, for they were damaged. */
  async #prune(written: string): Promise<void> {
    const all = await readdir(this.#directory);
    const names = all.filter((name) => FOLDER.test(name) && name <= written).sort();
    const best = await readDescription(join(this.#directory, "best")).catch(() => undefined);
    const old = names.slice(0, -this.#keep).filter((name) => Number(FOLDER.exec(name)?.[1]) !== best?.step);
    for (const name of [...old, ...all.filter((entry) => UNFINISHED.test(entry))]) {
      await rm(join(this.#directory, name), { recursive: true, force: true });
    }
  }
}

function sameFiles(one: CheckpointState, other: CheckpointState): boolean {
  return Object.entries(other.files_sha256).every(([file, hash]) => one.files_sha256[file] === hash);
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
