/** A run's directory on the disk, as the run itself uses it. */
import { rm } from "node:fs/promises";
import { ClusterError } from "../../shared/errors.js";
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

  override async writeJson(name: string, value: unknown): Promise<void> {
    this.#expectLock(name);
    await super.writeJson(name, value);
  }

  override async writeText(name: string, text: () => string): Promise<void> {
    this.#expectLock(name);
    await super.writeText(name, text);
  }

  remove(name: string): Promise<void> {
    this.#expectLock(name);
    return rm(this.file(name), { force: true });
  }

  /** Whoever writes after the lock was given back, or before it was had, writes between another one's lines. */
  #expectLock(name: string): void {
    if (this.#locks === undefined || this.#locks.holds(this.path)) return;
    throw new ClusterError("unexpected", `Cannot write ${this.file(name)}: its directory is not locked`);
  }

  openJournal(name: string, onError: (error: Error) => void): Promise<RunJournal> {
    this.#expectLock(name);
    return Journal.open(this.file(name), this.#clock, onError);
  }

  readJournal<Entry>(name: string, onDamaged: OnDamaged): Promise<Entry[]> {
    return readJsonLines<Entry>(this.file(name), onDamaged);
  }

  trimJournal<Entry>(name: string, keep: (record: Entry) => boolean, onDamaged: OnDamaged): Promise<Entry[]> {
    this.#expectLock(name);
    return trimJournal(this.file(name), keep, onDamaged);
  }

  openCheckpoints(layout: Layout, keep: number): CheckpointStore {
    return new Checkpoints(this.checkpoints, layout, keep);
  }
}
