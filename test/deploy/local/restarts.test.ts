import assert from "node:assert/strict";
import { test } from "node:test";
import {
  COORDINATOR_RESTARTS,
  SERVER_RESTARTS,
  WORKER_RESTARTS,
  decideRestart,
  restartsThatCount,
  withoutRestarts,
} from "../../../deploy/local/restarts.js";

const killed = { code: null, signal: "SIGKILL" } as const;
const ended = (code: number): { code: number; signal: null } => ({ code, signal: null });

test("a worker that crashed or was killed is started again five times, later each time, then rests", () => {
  for (const exit of [killed, ended(1), ended(2)]) {
    const next = [0, 1, 2, 3, 4, 5].map((restarts) => decideRestart(WORKER_RESTARTS, exit, restarts));
    assert.deepEqual(next, [
      { kind: "restart", pauseMs: 500, recent: 1 },
      { kind: "restart", pauseMs: 1000, recent: 2 },
      { kind: "restart", pauseMs: 2000, recent: 3 },
      { kind: "restart", pauseMs: 4000, recent: 4 },
      { kind: "restart", pauseMs: 4000, recent: 5 },
      { kind: "rest", pauseMs: 60_000 },
    ]);
  }
});

test("a worker that was sent away has done its work; one that was refused rests at once", () => {
  assert.deepEqual(decideRestart(WORKER_RESTARTS, ended(0), 0), { kind: "done" });
  assert.deepEqual(decideRestart(WORKER_RESTARTS, ended(5), 0), { kind: "rest", pauseMs: 60_000 });
});

test("the count begins anew when a process has served and lived for ten seconds", () => {
  assert.equal(restartsThatCount(4, { ranMs: 10_000, hasServed: true }), 0);
  assert.equal(restartsThatCount(4, { ranMs: 9999, hasServed: true }), 4);
  assert.equal(restartsThatCount(4, { ranMs: 99_999, hasServed: false }), 4);
});

test("a coordinator comes back after a crash, not after an end with a code of its own", () => {
  for (const exit of [killed, ended(1)])
    assert.deepEqual(decideRestart(COORDINATOR_RESTARTS, exit, 0), {
      kind: "restart",
      pauseMs: 500,
      recent: 1,
    });
  for (const code of [0, 2, 3, 4, 5, 6, 130])
    assert.deepEqual(decideRestart(COORDINATOR_RESTARTS, ended(code), 0), { kind: "done" });
  assert.deepEqual(decideRestart(COORDINATOR_RESTARTS, killed, 5), { kind: "abandon" });
  assert.deepEqual(decideRestart(withoutRestarts(COORDINATOR_RESTARTS), killed, 0), { kind: "abandon" });
});

test("nats-server comes back whatever its code, each try later than the one before", () => {
  const pauses = [0, 1, 2, 3, 4, 5].map((restarts) => decideRestart(SERVER_RESTARTS, ended(0), restarts));
  assert.deepEqual(
    pauses.map((next) => (next.kind === "restart" ? next.pauseMs : next.kind)),
    [100, 200, 300, 400, 500, "abandon"],
  );
});

test("a process that serves and crashes again and again is started again without end, but later each time", () => {
  const next = [1, 2, 3, 4, 5, 100].map((recent) => decideRestart(WORKER_RESTARTS, killed, 0, recent));
  assert.deepEqual(
    next.map((each) => (each.kind === "restart" ? [each.pauseMs, each.recent] : each.kind)),
    [
      [500, 1],
      [1000, 2],
      [2000, 3],
      [4000, 4],
      [4000, 5],
      [4000, 100],
    ],
  );
});
