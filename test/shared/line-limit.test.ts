import assert from "node:assert/strict";
import { test } from "node:test";
import { LINES_A_MINUTE, LineLimit } from "../../shared/line-limit.js";

test("one worker gets so many lines a minute, another one its own, and what was left out is told", () => {
  const limit = new LineLimit();
  const take = (key: string, nowMs: number, times: number): boolean[] =>
    Array.from({ length: times }, () => limit.take(key, nowMs).isWritten);
  assert.deepEqual(
    take("evil", 1000, LINES_A_MINUTE + 5),
    Array.from({ length: LINES_A_MINUTE + 5 }, (_, i) => i < LINES_A_MINUTE),
  );
  assert.deepEqual(take("good", 1000, 1), [true]);
  assert.deepEqual(limit.take("evil", 60_999), { isWritten: false, leftOut: 0 });
  assert.deepEqual(limit.take("evil", 61_000), { isWritten: true, leftOut: 6 });
  assert.deepEqual(limit.take("evil", 121_000), { isWritten: true, leftOut: 0 });
});

test("names without end take no memory without end", () => {
  const limit = new LineLimit();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 200_000; i++) limit.take(`worker-${i}`, 0);
  assert.ok(process.memoryUsage().heapUsed - before < 64 * 1024 * 1024);
});
