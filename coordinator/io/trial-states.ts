/**
 * States of a sweep's trials: one safetensors file each, `states/<trial>-<rung>-<step>-<hash>.safetensors`, whose name holds
 * the hash of its content. So the newest whole one is found without an index, and a torn or damaged one is never believed.
 * Weights that are kept lie in `weights/<trial>.safetensors`.
 */
import { readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Layout } from "../../shared/core/layout.js";
import { type NamedTensor, decodeSafetensors, encodeSafetensors } from "../../shared/core/safetensors.js";
import { ClusterError, codeIn } from "../../shared/errors.js";
import { storageError, writeFileAtomic } from "../../shared/io/atomic-file.js";
import { makeFolder } from "../../shared/io/folders.js";
import { hashOf } from "../../shared/io/hash.js";
import {
  type Checkpoint,
  type CheckpointState,
  tensorsOf,
  vectorOf,
} from "../../shared/records/checkpoint.js";
import type { StoredTrial, TrialRung, TrialStates } from "../sweeps/trial-storage.js";

const WEIGHTS_FILE = /^([0-9a-f]+)\.safetensors$/;
const FILE = /^([0-9a-f]+)-(\d{1,4})-(\d{8})-([0-9a-f]{64})\.safetensors$/;
/** What a writer that was killed had begun. */
const UNFINISHED = /^\..*\.part$/;

interface StateFile {
  name: string;
  trial: string;
  rung: number;
  step: number;
  sha256: string;
}

export class StatesOnDisk implements TrialStates {
  readonly #states: string;
  readonly #weights: string;
  /** By trial. */
  readonly #files = new Map<string, StateFile[]>();
  readonly #kept: string[] = [];

  private constructor(states: string, weights: string) {
    this.#states = states;
    this.#weights = weights;
  }

  /** Throws ClusterError("storage"). */
  static async open(directory: string): Promise<StatesOnDisk> {
    const store = new StatesOnDisk(join(directory, "states"), join(directory, "weights"));
    await store.#list();
    return store;
  }

  async #list(): Promise<void> {
    for (const name of await namesIn(this.#states)) {
      const [, trial, rung, step, sha256] = FILE.exec(name) ?? [];
      if (trial !== undefined && sha256 !== undefined)
        this.#filesOf(trial).push({ name, trial, rung: Number(rung), step: Number(step), sha256 });
    }
    for (const name of await namesIn(this.#weights)) {
      const [, trial] = WEIGHTS_FILE.exec(name) ?? [];
      if (trial !== undefined) this.#kept.push(trial);
    }
  }

  keptWeights(): readonly string[] {
    return this.#kept;
  }

  stored(trial?: string): TrialRung[] {
    const files = trial === undefined ? [...this.#files.values()].flat() : (this.#files.get(trial) ?? []);
    const rungs = new Map(files.map((file) => [`${file.trial} ${file.rung}`, file]));
    return [...rungs.values()].map((file) => ({ trial: file.trial, rung: file.rung }));
  }

  #filesOf(trial: string): StateFile[] {
    const files = this.#files.get(trial) ?? [];
    this.#files.set(trial, files);
    return files;
  }

  async read(
    { trial, rung, mostSteps = Infinity }: { trial: string; rung?: number; mostSteps?: number },
    layout: Layout,
    onDamaged: (message: string) => void,
  ): Promise<(StoredTrial & { rung: number }) | undefined> {
    const files = (this.#files.get(trial) ?? []).filter(
      (file) => (rung === undefined || file.rung === rung) && file.step <= mostSteps,
    );
    for (const { name, sha256, rung: reached } of files.sort((a, b) => b.rung - a.rung || b.step - a.step)) {
      const file = join(this.#states, name);
      try {
        return { ...decoded(await whole(file, sha256), layout, file), rung: reached };
      } catch (error) {
        if (!(error instanceof ClusterError) || error.code !== "data") throw error;
        onDamaged(error.message);
      }
    }
    return undefined;
  }

  async write(
    { trial, rung }: TrialRung,
    { checkpoint, ledger, loss }: StoredTrial,
    layout: Layout,
  ): Promise<number> {
    const { state, description } = checkpoint;
    const { anchor } = state;
    const bytes = encodeSafetensors({
      tensors: [
        ...tensorsOf(layout, state.parameters),
        ...under("velocity", tensorsOf(layout, state.velocity)),
        ...(anchor === undefined ? [] : under("anchor", tensorsOf(layout, anchor.parameters))),
      ],
      metadata: {
        format: "saf-trial-1",
        model: description.model,
        step: String(state.step),
        description: JSON.stringify(description),
        ledger: JSON.stringify(ledger),
        ...(loss === undefined ? {} : { loss: String(loss) }),
      },
    });
    const sha256 = hashOf(bytes);
    const name = `${trial}-${rung}-${String(state.step).padStart(8, "0")}-${sha256}.safetensors`;
    await this.#makeFolder(this.#states);
    await writeFileAtomic(join(this.#states, name), bytes);
    await this.remove({ trial, rung }, name);
    this.#filesOf(trial).push({ name, trial, rung, step: state.step, sha256 });
    return bytes.byteLength;
  }

  async remove({ trial, rung }: TrialRung, besides = ""): Promise<void> {
    const files = this.#filesOf(trial);
    const left = files.filter((file) => file.rung !== rung);
    if (left.length === 0) this.#files.delete(trial);
    else this.#files.set(trial, left);
    for (const { name } of files.filter((file) => file.rung === rung && file.name !== besides))
      await rm(join(this.#states, name), { force: true }).catch(() => undefined);
  }

  async keepWeights(trial: string, { state, description }: Checkpoint, layout: Layout): Promise<void> {
    await this.#makeFolder(this.#weights);
    const bytes = encodeSafetensors({
      tensors: tensorsOf(layout, state.parameters),
      metadata: { model: description.model, step: String(state.step), format: "saf-1" },
    });
    await writeFileAtomic(this.#weightsFile(trial), bytes);
  }

  async dropWeights(trial: string): Promise<void> {
    await rm(this.#weightsFile(trial), { force: true }).catch(() => undefined);
  }

  #weightsFile(trial: string): string {
    return join(this.#weights, `${trial}.safetensors`);
  }

  async #makeFolder(folder: string): Promise<void> {
    await makeFolder(folder).catch((cause: unknown) => {
      throw storageError(`create ${folder}`, cause);
    });
  }
}

/** None where there is no such folder; what a writer that was killed had begun goes. Throws ClusterError("storage"). */
async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((cause: unknown) => {
    if (codeIn(cause) === "ENOENT") return [];
    throw storageError(`list ${folder}`, cause);
  });
  for (const name of names.filter((each) => UNFINISHED.test(each)))
    await rm(join(folder, name), { force: true }).catch(() => undefined);
  return names;
}

/** Throws ClusterError("data") when the file is not what its name says. */
async function whole(file: string, sha256: string): Promise<Uint8Array> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new ClusterError("data", `Cannot read ${file}`, { cause });
  });
  const found = hashOf(bytes);
  if (found === sha256) return bytes;
  throw new ClusterError("data", `State ${file} is corrupt: its SHA-256 is ${found}`);
}

function decoded(bytes: Uint8Array, layout: Layout, file: string): StoredTrial {
  const { tensors, metadata } = decodeSafetensors(bytes, file);
  const description = JSON.parse(metadata["description"] ?? "{}") as CheckpointState;
  const ledger = JSON.parse(metadata["ledger"] ?? "[]") as object[];
  const loss = metadata["loss"] === undefined ? undefined : Number(metadata["loss"]);
  const vector = (part: string): Float32Array =>
    vectorOf(layout, part === "" ? tensors : partOf(part, tensors), file);
  const { step, anchor_step: anchorStep } = description;
  const anchor = anchorStep === undefined ? undefined : { step: anchorStep, parameters: vector("anchor") };
  return {
    checkpoint: {
      state: { step, parameters: vector(""), velocity: vector("velocity"), anchor },
      description,
    },
    ledger,
    loss,
  };
}

function under(part: string, tensors: readonly NamedTensor[]): NamedTensor[] {
  return tensors.map((tensor) => ({ ...tensor, name: `${part}/${tensor.name}` }));
}

function partOf(part: string, tensors: readonly NamedTensor[]): NamedTensor[] {
  return tensors
    .filter(({ name }) => name.startsWith(`${part}/`))
    .map((tensor) => ({ ...tensor, name: tensor.name.slice(part.length + 1) }));
}
