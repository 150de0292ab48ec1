import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { StatesOnDisk } from "../../../coordinator/io/trial-states.js";
import { TrialStorage } from "../../../coordinator/sweeps/trial-storage.js";
import { placeTensors } from "../../../shared/core/layout.js";
import { decodeSafetensors } from "../../../shared/core/safetensors.js";
import { hashOf } from "../../../shared/io/hash.js";
import type { TrainingState } from "../../../shared/records/checkpoint.js";

const LAYOUT = placeTensors(
  ["one/weight", "two/weight"].map((name) => ({
    ...{ name, shape: [3], role: "weight" as const, initial: { kind: "constant" as const, value: 0 } },
    ...{ rateMultiplier: 1, decays: true },
  })),
);
const ID = "0123456789abcdef";
const INFO = { model: "plain", identity: "who it is", cleanAccuracy: null, best: false };

const stateAt = (step: number, anchor?: TrainingState["anchor"]): TrainingState => ({
  step,
  parameters: Float32Array.from({ length: LAYOUT.size }, (_, i) => step + i),
  velocity: Float32Array.from({ length: LAYOUT.size }, (_, i) => -step - i),
  anchor,
});

async function folder(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "saf-states-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

const never = (message: string): never => assert.fail(message);

interface Place {
  rung: number;
  isLast?: boolean;
  wanted?: readonly number[];
  parent?: { trial: string; rung: number };
  trial?: string;
}

function storageIn(
  states: StatesOnDisk,
  { rung, isLast = false, wanted = [], parent, trial = ID }: Place,
): TrialStorage {
  const isWanted = (earlier: number): boolean => wanted.includes(earlier);
  const recordEngines = (): Promise<void> => Promise.resolve();
  const storage = new TrialStorage({ trial, rung, isLast, isWanted, parent, recordEngines }, states);
  storage.course = { lastStep: 100, identity: "heir" };
  return storage;
}

/** Saves the state, with a ledger of as many lines as it has steps. */
async function saved(storage: TrialStorage, state: TrainingState): Promise<void> {
  const journal = await storage.openJournal("ledger.jsonl");
  for (let step = 0; step < state.step; step++) journal.append({ step });
  await storage.openCheckpoints(LAYOUT).write(state, INFO);
}

const latest = (storage: TrialStorage, onDamaged: (message: string) => void = never) =>
  storage.openCheckpoints(LAYOUT).readLatest(onDamaged);

test("a trial's state comes back whole in another process, with the ledger that proves it", async (t) => {
  const directory = await folder(t);
  const anchor = { step: 2, parameters: Float32Array.from({ length: LAYOUT.size }, () => 0.5) };
  await saved(storageIn(await StatesOnDisk.open(directory), { rung: 0 }), stateAt(4, anchor));
  const storage = storageIn(await StatesOnDisk.open(directory), { rung: 1 });
  const found = await latest(storage);
  assert.deepEqual(found?.state, stateAt(4, anchor));
  assert.equal(found.description.weights_sha256, hashOf(stateAt(4).parameters));
  assert.equal(found.description.identity, INFO.identity);
  assert.deepEqual(
    await storage.readJournal("ledger.jsonl"),
    [0, 1, 2, 3].map((step) => ({ step })),
  );
});

test("a state on the way to a rung brings its loss along; one beyond the rung's end is passed over", async (t) => {
  const directory = await folder(t);
  const first = storageIn(await StatesOnDisk.open(directory), { rung: 1 });
  first.loss = 0.1 + 0.2;
  await saved(first, stateAt(4));
  const again = storageIn(await StatesOnDisk.open(directory), { rung: 1 });
  assert.equal((await latest(again))?.state.step, 4);
  assert.equal(again.loss, 0.1 + 0.2);
  const next = storageIn(await StatesOnDisk.open(directory), { rung: 2 });
  await latest(next);
  assert.equal(next.loss, undefined, "it is of the steps since the last rung");
  const shorter = storageIn(await StatesOnDisk.open(directory), { rung: 1 });
  shorter.course = { lastStep: 3, identity: "who it is" };
  assert.equal(await latest(shorter), undefined);
});

test("a newer state takes the older one's place; that of an earlier rung stays while it is wanted", async (t) => {
  const states = await StatesOnDisk.open(await folder(t));
  await saved(storageIn(states, { rung: 0 }), stateAt(2));
  await saved(storageIn(states, { rung: 0 }), stateAt(4));
  assert.deepEqual(states.stored(), [{ trial: ID, rung: 0 }]);
  await saved(storageIn(states, { rung: 1, wanted: [0] }), stateAt(6));
  assert.deepEqual(states.stored(ID), [
    { trial: ID, rung: 0 },
    { trial: ID, rung: 1 },
  ]);
  assert.equal((await latest(storageIn(states, { rung: 2 })))?.state.step, 6);
  await saved(storageIn(states, { rung: 2 }), stateAt(8));
  assert.deepEqual(states.stored(ID), [{ trial: ID, rung: 2 }]);
});

test("a torn or changed file is named and never believed", async (t) => {
  const directory = await folder(t);
  const states = await StatesOnDisk.open(directory);
  await saved(storageIn(states, { rung: 0 }), stateAt(2));
  await saved(storageIn(states, { rung: 1, wanted: [0] }), stateAt(4));
  const files = (await readdir(join(directory, "states"))).sort();
  const newest = join(directory, "states", files.find((name) => name.startsWith(`${ID}-1-`)) ?? "");
  await truncate(newest, (await readFile(newest)).byteLength - 1);
  await writeFile(join(directory, "states", ".half.safetensors.1-1.part"), "x");
  const damaged: string[] = [];
  const again = await StatesOnDisk.open(directory);
  const found = await latest(storageIn(again, { rung: 2 }), (message) => damaged.push(message));
  assert.equal(found?.state.step, 2);
  assert.equal(damaged.length, 1);
  assert.match(damaged[0] ?? "", /is corrupt: its SHA-256 is/);
  assert.ok(!(await readdir(join(directory, "states"))).some((name) => name.endsWith(".part")));
});

test("behind the last step nothing is stored, and all of it is in memory for whoever keeps weights", async (t) => {
  const directory = await folder(t);
  const states = await StatesOnDisk.open(directory);
  const storage = storageIn(states, { rung: 3, isLast: true });
  await saved(storage, stateAt(100));
  assert.deepEqual(states.stored(), []);
  assert.ok(storage.newest);
  await states.keepWeights(ID, storage.newest.checkpoint, LAYOUT);
  const file = await readFile(join(directory, "weights", `${ID}.safetensors`));
  const { tensors, metadata } = decodeSafetensors(file, "the weights");
  assert.deepEqual(
    tensors.map(({ name }) => name),
    ["one/weight", "two/weight"],
  );
  assert.equal(metadata["model"], "plain");
  await writeFile(join(directory, "weights", `.${ID}.safetensors.1-1.part`), "x");
  assert.deepEqual((await StatesOnDisk.open(directory)).keptWeights(), [ID]);
  assert.deepEqual(await readdir(join(directory, "weights")), [`${ID}.safetensors`]);
  await states.dropWeights(ID);
  assert.deepEqual(await readdir(join(directory, "weights")), []);
});

test("an heir begins with its parent's state at that rung, as its own", async (t) => {
  const states = await StatesOnDisk.open(await folder(t));
  await saved(storageIn(states, { rung: 0 }), stateAt(2));
  await saved(storageIn(states, { rung: 1, wanted: [0] }), stateAt(4));
  const heir = "fedcba9876543210";
  const found = await latest(storageIn(states, { trial: heir, rung: 1, parent: { trial: ID, rung: 0 } }));
  assert.deepEqual(found?.state, stateAt(2));
  assert.equal(found.description.identity, "heir");
  await states.remove({ trial: ID, rung: 0 });
  const orphan = storageIn(states, { trial: heir, rung: 1, parent: { trial: ID, rung: 0 } });
  await assert.rejects(latest(orphan), /the weights of trial 0123456789abcdef at rung 0 are gone/);
});
