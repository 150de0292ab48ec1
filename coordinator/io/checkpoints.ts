/**
 * Checkpoints: folders step-XXXXXXXX with safetensors and state.json. The links `latest` and `best` are for people: where
 * none can be made, or a copy has made folders of them, the folders' own descriptions say the same.
 */
import { readdir, readlink, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Layout } from "../../shared/core/layout.js";
import { encodeSafetensors } from "../../shared/core/safetensors.js";
import { ClusterError } from "../../shared/errors.js";
import { writeDirectoryAtomic, writeFileAtomic } from "../../shared/io/atomic-file.js";
import { pointLink } from "./links.js";
import {
  checkpointNames,
  isCheckpointName,
  readCheckpoint,
  readDescription,
} from "../../shared/io/checkpoint-files.js";
import { hashOf } from "../../shared/io/hash.js";
import {
  type Checkpoint,
  type CheckpointState,
  type TrainingState,
  tensorsOf,
} from "../../shared/records/checkpoint.js";
import type { CheckpointInfo, CheckpointStore } from "../runs/storage.js";

/** What a writer that was killed had begun. */
const UNFINISHED = /^\.step-\d{8}\..*part$/;

export class Checkpoints implements CheckpointStore {
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
   * checkpoints before it stay as they were. Once the state is safe nothing throws: the rest is convenience.
   */
  async write(
    state: TrainingState,
    info: CheckpointInfo,
  ): Promise<{ path: string; bytes: number; notes: string[] }> {
    const files: Record<string, Uint8Array> = {
      "model.safetensors": encodeSafetensors({
        tensors: tensorsOf(this.#layout, state.parameters),
        metadata: {
          model: info.model,
          ...(info.settings === undefined ? {} : { network_settings: JSON.stringify(info.settings) }),
          step: String(state.step),
          format: "saf-1",
        },
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
    const notes: string[] = [];
    const optional = (work: Promise<unknown>): Promise<unknown> =>
      work.catch((error: Error) => notes.push(error.message));
    for (const link of info.best ? ["latest", "best"] : ["latest"])
      await optional(pointLink(join(this.#directory, link), name));
    await optional(this.#prune(name, info.best));
    return { path, bytes: Object.values(files).reduce((sum, { byteLength }) => sum + byteLength, 0), notes };
  }

  async readLatest(
    onDamaged: (message: string) => void,
    accept: (description: CheckpointState) => void = () => undefined,
  ): Promise<Checkpoint | undefined> {
    const names = (await checkpointNames(this.#directory)).reverse();
    for (const name of names) {
      const path = join(this.#directory, name);
      const description = await unlessDamaged(readDescription(path), onDamaged);
      if (description === undefined) continue;
      accept(description);
      const found = await unlessDamaged(readCheckpoint(path, this.#layout), onDamaged);
      if (found !== undefined) return found;
    }
    if (names.length === 0) return undefined;
    throw new ClusterError(
      "data",
      `Cannot read any checkpoint in ${this.#directory}: all ${names.length} are damaged`,
      {
        hint: "nothing was changed; put a checkpoint back from a copy, or begin a new run in another folder",
      },
    );
  }

  /** Throws ClusterError("data") when there is no such checkpoint or it is damaged, ("shape-mismatch") when it does not fit. */
  async read(name: string): Promise<Checkpoint> {
    const folder = name === "latest" || name === "best" ? ((await this.#target(name)) ?? name) : name;
    return readCheckpoint(join(this.#directory, folder), this.#layout);
  }

  /** Where a link points; without a link, what the descriptions say. */
  async #target(link: "latest" | "best"): Promise<string | undefined> {
    const target = await readlink(join(this.#directory, link)).catch(() => "");
    if (isCheckpointName(target)) return target;
    const names = await checkpointNames(this.#directory);
    if (link === "latest") return names.at(-1);
    const described = await Promise.all(
      names.map(async (name) => {
        const found = await readDescription(join(this.#directory, name)).catch(() => undefined);
        return { name, accuracy: found?.clean_accuracy ?? -1 };
      }),
    );
    const most = Math.max(...described.map(({ accuracy }) => accuracy));
    return most < 0 ? undefined : described.find(({ accuracy }) => accuracy === most)?.name;
  }

  /** Keeps the newest up to the one just written. Later ones are of a run that went back, for they were damaged. */
  async #prune(written: string, isBest: boolean): Promise<void> {
    const best = isBest ? written : await this.#target("best");
    const all = await readdir(this.#directory);
    const names = all.filter((name) => isCheckpointName(name) && name <= written).sort();
    const old = names.slice(0, -this.#keep).filter((name) => name !== best);
    for (const name of [...old, ...all.filter((entry) => UNFINISHED.test(entry))]) {
      await rm(join(this.#directory, name), { recursive: true, force: true });
    }
  }
}

/** Only what is no whole checkpoint is damaged: one that does not fit the network, say, is another matter. */
async function unlessDamaged<Value>(
  reading: Promise<Value>,
  onDamaged: (message: string) => void,
): Promise<Value | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code !== "data") throw error;
    onDamaged(error.message);
    return undefined;
  }
}

function sameFiles(one: CheckpointState, other: CheckpointState): boolean {
  return Object.entries(other.files_sha256).every(([file, hash]) => one.files_sha256[file] === hash);
}
