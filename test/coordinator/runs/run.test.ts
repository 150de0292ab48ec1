/** The phases of a run that need no worker: where it begins, what it refuses, how the signal ends it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nextStop } from "../../../coordinator/runs/train.js";
import { whileListening } from "../../../coordinator/runs/aborting.js";
import { waitForWorkers } from "../../../coordinator/runs/workers.js";

test("a training stops where a checkpoint or an evaluation is due, and at its end", () => {
  assert.equal(nextStop(0, [10, 25], 100), 10);
  assert.equal(nextStop(20, [10, 25], 100), 25);
  assert.equal(nextStop(95, [10, 25], 98), 98);
  assert.equal(nextStop(7, [0, 0], 98), 98, "an interval of 0 asks for nothing");
});

test("work is told of a signal once, also of one that came before, and of none afterwards", async () => {
  const controller = new AbortController();
  let heard = 0;
  const hear = (): void => void heard++;
  await whileListening(controller.signal, hear, async () => controller.abort());
  assert.equal(heard, 1);
  await whileListening(controller.signal, hear, async () => undefined);
  assert.equal(heard, 2);
  const other = new AbortController();
  await assert.rejects(
    whileListening(other.signal, hear, async () => {
      throw new Error("broken");
    }),
    /broken/,
  );
  other.abort();
  assert.equal(heard, 2);
});

test("patience for the first workers is measured by the clock that is handed in", async () => {
  let expire: () => void = assert.fail;
  const clock = {
    now: () => 0,
    after: (delayMs: number, run: () => void) => {
      assert.equal(delayMs, 5000);
      expire = run;
      return () => undefined;
    },
    every: () => () => undefined,
  };
  const pool = {
    workerCount: 1,
    waitForWorkers: (_count: number, signal: AbortSignal) =>
      new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve())),
  };
  const { signal } = new AbortController();
  const waiting = waitForWorkers(pool, 2, 5000, { clock, signal });
  expire();
  await assert.rejects(waiting, { code: "dependency", message: "Waited 5 s for 2 worker(s); 1 joined" });
  const enough = waitForWorkers({ ...pool, workerCount: 2 }, 2, 5000, { clock, signal });
  expire();
  await enough;
});
