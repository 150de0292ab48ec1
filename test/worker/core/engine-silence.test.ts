import assert from "node:assert/strict";
import { test } from "node:test";
import {
  LOOK_MS,
  NO_SILENCE,
  type Silence,
  afterLook,
  stateOfEngine,
} from "../../../worker/core/engine-silence.js";

/** So many looks in a row, at an engine that has done nothing more. */
function looks(count: number, silence: Silence = NO_SILENCE, sinceMs = LOOK_MS): Silence {
  for (let i = 0; i < count; i++) silence = afterLook(silence, sinceMs, silence.progress);
  return silence;
}

test("an engine is late after half of its patience, and hangs after all of it", () => {
  assert.equal(stateOfEngine(looks(9), 20_000), "works");
  assert.equal(stateOfEngine(looks(10), 20_000), "late");
  assert.equal(stateOfEngine(looks(20), 20_000), "hangs");
});

test("one without a limit never hangs", () => {
  assert.equal(stateOfEngine(looks(1_000_000), 0), "works");
});

test("time in which the process itself stood still is no silence of its engine", () => {
  const stopped = looks(1, looks(5), 3_600_000);
  assert.ok(stopped.silentMs <= 5 * LOOK_MS + 2 * LOOK_MS);
  assert.equal(stateOfEngine(stopped, 20_000), "works");
});

test("an engine that is five times slower than the deadline's does not hang, nor one that moves", () => {
  // Ten deadlines of three medians each.
  const medianMs = 2000;
  assert.notEqual(stateOfEngine(looks((5 * medianMs) / LOOK_MS), 10 * 3 * medianMs), "hangs");
  let silence = NO_SILENCE;
  for (let step = 1; step <= 1000; step++) silence = afterLook(looks(15, silence), LOOK_MS, step);
  assert.equal(stateOfEngine(silence, 20_000), "works");
});
