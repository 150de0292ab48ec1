/**
 * What a trial keeps while it goes on: documents and journals in memory, and nothing of them when it is over; its state where
 * it can be found again, for as long as a rung can want it.
 */
import type { Layout } from "../../shared/core/layout.js";
import { ClusterError } from "../../shared/errors.js";
import { hashOf } from "../../shared/io/hash.js";
import type { Checkpoint, CheckpointState, TrainingState } from "../../shared/records/checkpoint.js";
import type { CheckpointInfo, CheckpointStore, RunJournal, RunStorage } from "../runs/storage.js";
import { LEDGER } from "../runs/step-books.js";

/** A trial between two steps: its state, and the proof of the steps that led there. */
export interface StoredTrial {
  checkpoint: Checkpoint;
  /** Lines of the ledger. */
  ledger: readonly object[];
  /** Of its steps since its last rung, as it is told: who goes on tells the same. */
  loss?: number | undefined;
}

/** Where states of trials lie: coordinator/io/trial-states.ts. */
export interface TrialStates {
  /**
   * The newest that is whole, of all or on the way to this rung, and of no more steps than `mostSteps`; `onDamaged` is told of
   * others.
   */
  read(
    place: { trial: string; rung?: number; mostSteps?: number },
    layout: Layout,
    onDamaged: (message: string) => void,
  ): Promise<(StoredTrial & { rung: number }) | undefined>;
  /** Those before on the way to this rung go when this one is safe. Returns its bytes. Throws ClusterError("storage"). */
  write(place: TrialRung, stored: StoredTrial, layout: Layout): Promise<number>;
  /** What there is, of this trial or of all. */
  stored(trial?: string): TrialRung[];
  /** Does nothing where there is none. */
  remove(place: TrialRung): Promise<void>;
  /** The final weights, to be kept. Throws ClusterError("storage"). */
  keepWeights(trial: string, checkpoint: Checkpoint, layout: Layout): Promise<void>;
  /** Trials whose final weights were there when this was opened. */
  keptWeights(): readonly string[];
  dropWeights(trial: string): Promise<void>;
}

/** Asked for at each trial: made once, for its stack tells nothing. */
const NOTHING = new ClusterError("data", "This trial keeps no such document");

export interface TrialRung {
  trial: string;
  rung: number;
}

export interface TrialPlace extends TrialRung {
  /** Nothing comes behind the last step: its state need not be found again. */
  isLast: boolean;
  /** Whose state it begins with, when it has none of its own. */
  parent?: TrialRung | undefined;
  /** Whose engines computed it is safe on the disk behind this: it must be known before the state can be gone on with. */
  recordEngines: () => Promise<void>;
  /** Can a segment still begin with its state at an earlier rung? */
  isWanted: (rung: number) => boolean;
}

export class TrialStorage implements RunStorage {
  readonly path: string;
  readonly #place: TrialPlace;
  readonly #states: TrialStates;
  readonly #documents = new Map<string, unknown>();
  readonly #journals = new Map<string, object[]>();
  /** The state that was saved last, and how its vectors are laid out. */
  newest: { checkpoint: Checkpoint; layout: Layout } | undefined;
  /** What the settings come to, once the images are known: its last step, and its identity. */
  course: { lastStep: number; identity: string } | undefined;
  /** Exponentially weighted mean over the steps since its last rung; it goes with the state. */
  loss: number | undefined;

  constructor(place: TrialPlace, states: TrialStates) {
    this.path = `trial ${place.trial}`;
    this.#place = place;
    this.#states = states;
  }

  create(): Promise<void> {
    return Promise.resolve();
  }

  release(): Promise<void> {
    this.#documents.clear();
    this.#journals.clear();
    return Promise.resolve();
  }

  readJson<Value>(name: string): Promise<Value> {
    if (this.#documents.has(name)) return Promise.resolve(this.#documents.get(name) as Value);
    return Promise.reject(NOTHING);
  }

  writeJson(name: string, value: unknown): Promise<void> {
    this.#documents.set(name, value);
    return Promise.resolve();
  }

  writeText(): Promise<void> {
    return Promise.resolve();
  }

  remove(name: string): Promise<void> {
    this.#documents.delete(name);
    return Promise.resolve();
  }

  openJournal(name: string): Promise<RunJournal> {
    const lines = this.#linesOf(name);
    return Promise.resolve({
      heldBytes: 0,
      append: (record: object) => void lines.push(record),
      flush: () => Promise.resolve(),
      close: () => Promise.resolve(),
    });
  }

  readJournal<Entry>(name: string): Promise<Entry[]> {
    return Promise.resolve([...this.#linesOf(name)] as Entry[]);
  }

  trimJournal<Entry>(name: string, keep: (record: Entry) => boolean): Promise<Entry[]> {
    const lines = this.#linesOf(name);
    const end = lines.findIndex((line) => !keep(line as Entry));
    if (end >= 0) lines.splice(end);
    return this.readJournal(name);
  }

  #linesOf(name: string): object[] {
    const lines = this.#journals.get(name) ?? [];
    this.#journals.set(name, lines);
    return lines;
  }

  openCheckpoints(layout: Layout): CheckpointStore {
    return {
      write: (state, info) => this.#save(state, info, layout),
      readLatest: (onDamaged, accept) => this.#readLatest(layout, onDamaged, accept),
      read: () => Promise.reject(NOTHING),
    };
  }

  async #save(
    state: TrainingState,
    info: CheckpointInfo,
    layout: Layout,
  ): Promise<{ bytes: number; notes: readonly string[] }> {
    const checkpoint = { state, description: descriptionOf(state, info) };
    this.newest = { checkpoint, layout };
    await this.#place.recordEngines();
    if (this.#place.isLast && state.step === this.course?.lastStep) return { bytes: 0, notes: [] };
    const ledger = this.#linesOf(LEDGER);
    const bytes = await this.#states.write(this.#place, { checkpoint, ledger, loss: this.loss }, layout);
    await this.#releaseEarlier();
    return { bytes, notes: [] };
  }

  async #releaseEarlier(): Promise<void> {
    const { trial, rung, isWanted } = this.#place;
    for (const earlier of this.#states.stored(trial))
      if (earlier.rung < rung && !isWanted(earlier.rung)) await this.#states.remove(earlier);
  }

  async #readLatest(
    layout: Layout,
    onDamaged: (message: string) => void,
    accept: ((description: CheckpointState) => void) | undefined,
  ): Promise<Checkpoint | undefined> {
    const { trial, rung, parent } = this.#place;
    // Of longer rungs than the present ones there may be a state beyond this one's end.
    const mostSteps = this.course?.lastStep ?? Infinity;
    const own = await this.#states.read({ trial, mostSteps }, layout, onDamaged);
    const stored =
      own ?? (parent === undefined ? undefined : await this.#inherited(parent, layout, onDamaged));
    if (stored === undefined) return undefined;
    if (own?.rung === rung) this.loss = own.loss;
    accept?.(stored.checkpoint.description);
    this.#journals.set(LEDGER, [...stored.ledger]);
    return stored.checkpoint;
  }

  /** Another trial's state under other settings: what it was trained with is this trial's past. */
  async #inherited(
    parent: TrialRung,
    layout: Layout,
    onDamaged: (message: string) => void,
  ): Promise<StoredTrial> {
    const { trial, rung } = parent;
    const stored = await this.#states.read({ trial, rung }, layout, onDamaged);
    if (stored === undefined || this.course === undefined)
      throw new ClusterError(
        "data",
        `Cannot begin ${this.path}: the weights of trial ${parent.trial} at rung ${parent.rung} are gone`,
      );
    const { state, description } = stored.checkpoint;
    const { identity } = this.course;
    return { checkpoint: { state, description: { ...description, identity } }, ledger: stored.ledger };
  }
}

function descriptionOf(
  { step, parameters, anchor }: TrainingState,
  { model, identity, cleanAccuracy }: CheckpointInfo,
): CheckpointState {
  return {
    step,
    model,
    weights_sha256: hashOf(parameters),
    // One file holds all of it, and its name the hash.
    files_sha256: {},
    identity,
    clean_accuracy: cleanAccuracy,
    ...(anchor === undefined ? {} : { anchor_step: anchor.step }),
  };
}
