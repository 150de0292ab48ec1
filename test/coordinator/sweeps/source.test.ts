import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunOrder } from "../../../coordinator/runs/source.js";
import { SweepBook } from "../../../coordinator/sweeps/book.js";
import { KeptWeights } from "../../../coordinator/sweeps/kept-weights.js";
import { SweepSource } from "../../../coordinator/sweeps/source.js";
import { type TrialStates, TrialStorage } from "../../../coordinator/sweeps/trial-storage.js";
import { placeTensors } from "../../../shared/core/layout.js";
import { ClusterError } from "../../../shared/errors.js";
import { CODE, listOf, spaceFrom } from "./support.js";

const LAYOUT = placeTensors([
  {
    ...{
      name: "one/weight",
      shape: [3],
      role: "weight" as const,
      initial: { kind: "constant" as const, value: 0 },
    },
    ...{ rateMultiplier: 1, decays: true },
  },
]);

/** A sweep of so many trials, whose disk writes down what reaches it. */
function sweepOf(trials: number, keepWeights: () => Promise<void> = () => Promise.resolve()) {
  const events: string[] = [];
  const notes: string[] = [];
  const states: TrialStates = {
    read: () => Promise.resolve(undefined),
    write: () => Promise.resolve(0),
    stored: () => [],
    keptWeights: () => [],
    remove: () => Promise.resolve(),
    async keepWeights() {
      await keepWeights();
      events.push("weights");
    },
    dropWeights: () => Promise.resolve(),
  };
  const book = new SweepBook(spaceFrom(listOf(trials)), CODE);
  book.open(0);
  const source = new SweepSource({
    ...{ name: "test", directory: "/sweep", book, states, areInherited: false, patienceMs: undefined },
    account: { name: "sweep test", share: 1, priority: 0, isSteady: true },
    kept: new KeptWeights(3, (trial) => book.row(trial)?.metrics["clean"]),
    engines: { committed: () => undefined, flush: () => Promise.resolve() },
    append: (lines) => events.push(...lines.map(({ kind }) => kind)),
    flush: () => Promise.resolve(),
    clock: { now: () => 0, after: () => () => undefined, every: () => () => undefined },
    wallClock: () => 0,
    note: (_, message) => notes.push(message),
  });
  return { source, events, notes };
}

/** Trained to its end and measured. */
async function finish(source: SweepSource): Promise<void> {
  const order = source.next() as RunOrder;
  assert.ok(order.storage instanceof TrialStorage);
  order.storage.course = { lastStep: 1, identity: "who it is" };
  const vector = (): Float32Array => new Float32Array(LAYOUT.size);
  await order.storage
    .openCheckpoints(LAYOUT)
    .write(
      { step: 1, parameters: vector(), velocity: vector() },
      { model: "plain", identity: "who it is", cleanAccuracy: null, best: false },
    );
  const result = { name: "plain", clean_accuracy: 0.9, n: 100, samples_per_second: 1, curves: [] };
  source.ended(order, { outcome: { name: "plain", weightsSha256: "ab", result, isIncomplete: false } });
}

test("a trial is done in the journal when its weights are kept, not before", async () => {
  let release = (): void => undefined;
  const { source, events } = sweepOf(2, () => new Promise((resolve) => (release = resolve)));
  await finish(source);
  source.next();
  await new Promise(setImmediate);
  assert.deepEqual(events, ["trial"], "a kill at this moment leaves a trial that is measured again");
  release();
  await source.settled();
  assert.deepEqual(events, ["trial", "weights", "result", "trial"]);
});

test("a disk that refuses the weights ends the sweep with its own words; the trial is not done", async () => {
  const refusal = new ClusterError("storage", "Cannot write weights: ENOSPC", { hint: "free some space" });
  const { source, events, notes } = sweepOf(2, () => Promise.reject(refusal));
  await finish(source);
  await source.settled();
  assert.deepEqual(events, ["trial"]);
  assert.equal(source.next(), "none");
  assert.equal(source.fault, refusal, "with the hint that says what to do");
  assert.deepEqual(
    notes,
    ["The sweep stops: finishing what is being computed"],
    "why is said once, at the end",
  );
});

test("a trial is named by its number and its id, and knows whether somebody computes at its run", () => {
  const { source } = sweepOf(2);
  const [first, second] = [source.next() as RunOrder, source.next() as RunOrder];
  const id = first.runId.replace("test-", "");
  assert.equal(first.name, `trial 0 (${id.slice(0, 8)})`);
  assert.deepEqual(source.servedIn(new Set([first.runId, "another"])), new Set([id]));
  assert.equal(source.servedIn(new Set([first.runId, second.runId])).size, 2);
});
