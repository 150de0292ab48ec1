/**
 * What a run keeps, and what it asks of its directory. coordinator/io/run-storage.ts keeps it on a disk; a simulation may
 * keep it in memory and crash. Names are paths inside the directory: "status.json", "eval/results.jsonl".
 */
import type { NetworkSettings } from "../../shared/config/network.js";
import type { Layout } from "../../shared/core/layout.js";
import type { Checkpoint, CheckpointState, TrainingState } from "../../shared/records/checkpoint.js";

export interface RunStorage {
  /** Where it is: tells runs apart, and stands in messages. */
  readonly path: string;
  /**
   * Makes the directory ready, and ours alone until `release`. Throws ClusterError: "dependency" when another process
   * writes it, "storage".
   */
  create(): Promise<void>;
  release(): Promise<void>;
  /** Throws ClusterError("data") when the document is missing or damaged. */
  readJson<Value>(name: string): Promise<Value>;
  /** The document is old or new after a crash, never torn. Throws ClusterError("storage"). */
  writeJson(name: string, value: unknown): Promise<void>;
  /** `text` is asked for where it is kept. */
  writeText(name: string, text: () => string): Promise<void>;
  /** Does nothing where there is no such document. */
  remove(name: string): Promise<void>;
  /**
   * Drops a torn last line first. `onError` is told once when lines cannot be written: they are kept and tried again until
   * they can. Throws ClusterError("storage").
   */
  openJournal(name: string, onError: (error: Error) => void): Promise<RunJournal>;
  /** A missing journal has no records. A damaged line hides only itself; `onDamaged` says which are left out. */
  readJournal<Entry>(name: string, onDamaged: (message: string) => void): Promise<Entry[]>;
  /** Cuts a journal behind the records for which `keep` holds from the start on; returns these. */
  trimJournal<Entry>(
    name: string,
    keep: (record: Entry) => boolean,
    onDamaged: (message: string) => void,
  ): Promise<Entry[]>;
  /** `keep`: newest checkpoints to keep, besides the best. */
  openCheckpoints(layout: Layout, keep: number): CheckpointStore;
}

/** Records, one behind the other. */
export interface RunJournal {
  /** Not on the disk yet. */
  append(record: object): void;
  /** Of what was appended and is not on the disk yet. */
  readonly heldBytes: number;
  /** Resolves when everything appended so far is on the disk. Throws ClusterError("storage"). */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface CheckpointStore {
  /**
   * All or nothing; checkpoints before it stay as they were when it fails. `notes`: what is convenient and could not be
   * done (a link, the removal of an old one). Throws ClusterError("storage").
   */
  write(state: TrainingState, info: CheckpointInfo): Promise<{ bytes: number; notes: readonly string[] }>;
  /**
   * The newest that is whole. `accept` sees the description of each candidate before its tensors are read, and throws when
   * it is not this run's: identity is compared before content. Damaged ones are passed over and named in `onDamaged`.
   * Undefined when there is none at all. Throws ClusterError("data") when all of them are damaged.
   */
  readLatest(
    onDamaged: (message: string) => void,
    accept?: (description: CheckpointState) => void,
  ): Promise<Checkpoint | undefined>;
  /** `name`: "best", "latest" or a step's own. Throws ClusterError("data"). */
  read(name: string): Promise<Checkpoint>;
}

export interface CheckpointInfo {
  model: string;
  /** Those of its network, where it is not the paper's of that name. */
  settings?: NetworkSettings | undefined;
  /** SHA-256 of what decides the run: see identity.ts. */
  identity: string;
  cleanAccuracy: number | null;
  best: boolean;
}

/** Stands in a checkpoint where a run's own identity would: its weights come from elsewhere. */
export const IMPORTED = "imported weights";
