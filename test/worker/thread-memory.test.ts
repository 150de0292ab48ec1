import assert from "node:assert/strict";
import { test } from "node:test";
import { RunMemory, ThreadMemory } from "../../worker/thread-memory.js";

test("runs that come and go use again what was given back", () => {
  const memory = new ThreadMemory();
  for (let round = 0; round < 100; round++) {
    const runs = [new RunMemory(memory), new RunMemory(memory)];
    const taken = runs.flatMap((run) => [
      run.of("parameters", 400),
      run.of("velocity", 400),
      run.of("state", 900),
    ]);
    assert.equal(new Set(taken).size, 6);
    for (const run of runs) run.giveBack();
  }
  assert.equal(memory.allocatedBytes, 2 * (400 + 400 + 900));
});

test("a name keeps its memory, and gets more only when it needs more", () => {
  const memory = new ThreadMemory();
  const run = new RunMemory(memory);
  const first = run.of("state", 100);
  assert.equal(run.of("state", 60), first);
  const larger = run.of("state", 200);
  assert.equal(larger.byteLength, 200);
  assert.equal(run.of("other", 100), first);
  run.giveBack();
  assert.equal(memory.allocatedBytes, 300);
});
