import assert from "node:assert/strict";
import { test } from "node:test";
import { whenThereIsRoom } from "../../../coordinator/io/room.js";
import { ClusterError } from "../../../shared/errors.js";
import { storageError } from "../../../shared/io/atomic-file.js";
import { VirtualClock } from "../../support/virtual-clock.js";

const full = (): ClusterError =>
  storageError("write term.json", Object.assign(new Error("no space left on device"), { code: "ENOSPC" }));

test("a full disk is waited for, and told once", async () => {
  const clock = new VirtualClock();
  const told: string[] = [];
  let tries = 0;
  const done = whenThereIsRoom(() => (++tries < 4 ? Promise.reject(full()) : Promise.resolve(7)), {
    clock,
    signal: new AbortController().signal,
    onWaiting: (message) => told.push(message),
  });
  await clock.advance(2000);
  assert.equal(tries, 2);
  await clock.advance(4000);
  assert.equal(await done, 7);
  assert.deepEqual(told, [
    "Cannot write term.json: no space left on device; waiting until there is room on the disk",
  ]);
  assert.equal(clock.pending, 0);
});

test("another error is not waited for; a signal ends the wait at once", async () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const edges = { clock, signal: stop.signal, onWaiting: () => undefined };
  const readOnly = storageError("write term.json", Object.assign(new Error("read-only"), { code: "EROFS" }));
  await assert.rejects(
    whenThereIsRoom(() => Promise.reject(readOnly), edges),
    readOnly,
  );
  const waiting = whenThereIsRoom(() => Promise.reject(full()), edges);
  await clock.advance(2000);
  stop.abort();
  await assert.rejects(waiting, (error) => error instanceof ClusterError && error.exitCode === 5);
});
