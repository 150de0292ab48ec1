/** A run's directory on the disk, as the run itself uses it. */
import { rm } from "node:fs/promises";
import type { Clock } from "../../shared/clock.js";
import type { Layout } from "../../shared/core/layout.js";
import type { CheckpointStore, RunJournal, RunStorage } from "../runs/storage.js";
import { Checkpoints } from "./checkpoints.js";
import { type OnDamaged, readJsonLines } from "../../shared/io/json-lines.js";
import { Journal, trimJournal } from "./journal.js";
import { RunDirectory } from "./run-directory.js";

export class DiskStorage extends RunDirectory implements RunStorage {
  readonly #clock: Clock;

  /** `clock`: when what a journal has gathered is written. */
  constructor(path: string, clock: Clock) {
    super(path);
    this.#clock = clock;
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
