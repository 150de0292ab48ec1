/** A run's storage in memory. */
import { ClusterError } from "../../../shared/errors.js";
import type {
  CheckpointInfo,
  CheckpointStore,
  RunJournal,
  RunStorage,
} from "../../../coordinator/runs/storage.js";
import type { Checkpoint, TrainingState } from "../../../shared/records/checkpoint.js";

export class MemoryStorage implements RunStorage {
  readonly path: string;
  readonly documents = new Map<string, string>();
  readonly journals = new Map<string, string[]>();
  /** The newest last. */
  readonly kept: Checkpoint[] = [];

  constructor(path: string) {
    this.path = path;
  }

  async create(): Promise<void> {
    // Nothing to make.
  }

  async release(): Promise<void> {
    // Nobody else can reach it.
  }

  async readJson<Value>(name: string): Promise<Value> {
    const text = this.documents.get(name);
    if (text === undefined) throw new ClusterError("data", `Cannot read ${name}: it is missing`);
    return JSON.parse(text) as Value;
  }

  async writeJson(name: string, value: unknown): Promise<void> {
    this.documents.set(name, JSON.stringify(value));
  }

  async writeText(name: string, text: () => string): Promise<void> {
    this.documents.set(name, text());
  }

  async remove(name: string): Promise<void> {
    this.documents.delete(name);
  }

  async openJournal(name: string): Promise<RunJournal> {
    const lines = this.journals.get(name) ?? [];
    this.journals.set(name, lines);
    return {
      heldBytes: 0,
      append: (record) => lines.push(JSON.stringify(record)),
      flush: async () => undefined,
      close: async () => undefined,
    };
  }

  async readJournal<Entry>(name: string): Promise<Entry[]> {
    return (this.journals.get(name) ?? []).map((line) => JSON.parse(line) as Entry);
  }

  async trimJournal<Entry>(name: string, keep: (record: Entry) => boolean): Promise<Entry[]> {
    const records = await this.readJournal<Entry>(name);
    const end = records.findIndex((record) => !keep(record));
    const left = end < 0 ? records : records.slice(0, end);
    this.journals.get(name)?.splice(left.length);
    return left;
  }

  openCheckpoints(): CheckpointStore {
    return {
      write: async (state: TrainingState, info: CheckpointInfo) => {
        this.kept.push(checkpointOf(state, info));
        return { bytes: state.parameters.byteLength, notes: [] };
      },
      readLatest: async (_onDamaged, accept) => {
        const newest = this.kept.at(-1);
        if (newest !== undefined) accept?.(newest.description);
        return newest;
      },
      read: async (name) => {
        const found =
          name === "best"
            ? this.kept.findLast(({ description }) => description.clean_accuracy !== null)
            : this.kept.at(-1);
        if (found === undefined) throw new ClusterError("data", `Cannot read checkpoint ${name}`);
        return found;
      },
    };
  }
}

export function checkpointOf(
  state: TrainingState,
  { model, identity, cleanAccuracy }: CheckpointInfo,
): Checkpoint {
  const description = {
    step: state.step,
    model,
    weights_sha256: "",
    files_sha256: {},
    identity,
    clean_accuracy: cleanAccuracy,
  };
  return { state, description };
}
