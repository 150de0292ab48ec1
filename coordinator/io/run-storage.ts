/** A run's directory on the disk, as the run itself uses it. */
import { rm } from "node:fs/promises";
import type { Clock } from "../../shared/clock.js";
import type { Layout } from "../../shared/core/layout.js";
import type { CheckpointStore, RunJournal, RunStorage } from "../runs/storage.js";
import type { DirectoryLocks } from "./directory-locks.js";
import { Checkpoints } from "./checkpoints.js";
import { type OnDamaged, readJsonLines } from "../../shared/io/json-lines.js";
import { Journal, trimJournal } from "./journal.js";
import { RunDirectory } from "./run-directory.js";

export class DiskStorage extends RunDirectory implements RunStorage {
  readonly #clock: Clock;
  readonly #locks: DirectoryLocks | undefined;

  /** `clock`: when what a journal has gathered is written. Without `locks`, whoever made it answers for the one writer. */
  constructor(path: string, clock: Clock, locks?: DirectoryLocks) {
    super(path);
    this.#clock = clock;
    this.#locks = locks;
  }

  override async create(): Promise<void> {
    await super.create();
    await this.#locks?.take(this.path);
  }

  async release(): Promise<void> {
    await this.#locks?.release(this.path);
  }

  remove(name: string): Promise<void> {
    return rm(this.file(name), { force: true });
  }

  openJournal(name: string, onError: (error: Error) => void): Promise<RunJournal> {
    return Journal.open(this.file(name), this.#clock, onError);
  }

  readJournal<Entry>(name: string, onDamaged: OnDamaged): Promise<Entry[]> {
    return readJsonLines<Entry>(this.file(name), onDamaged);
  }

  trimJournal<Entry>(name: string, keep: (record: Entry) => boolean, onDamaged: OnDamaged): Promise<Entry[]> {
    return trimJournal(this.file(name), keep, onDamaged);
  }

  openCheckpoints(layout: Layout, keep: number): CheckpointStore {
    return new Checkpoints(this.checkpoints, layout, keep);
  }
}
