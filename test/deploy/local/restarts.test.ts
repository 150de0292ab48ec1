import assert from "node:assert/strict";
import { test } from "node:test";
import {
  COORDINATOR_RESTARTS,
  SERVER_RESTARTS,
  WORKER_RESTARTS,
  decideRestart,
  withoutRestarts,
} from "../../../deploy/local/restarts.js";

const killed = { code: null, signal: "SIGKILL" } as const;
const ended = (code: number): { code: number; signal: null } => ({ code, signal: null });

test("a worker that crashed or was killed is started again after half a second, five times", () => {
  for (const exit of [killed, ended(1), ended(2)]) {
    for (let restarts = 0; restarts < 5; restarts++)
      assert.deepEqual(decideRestart(WORKER_RESTARTS, exit, restarts), { kind: "restart", pauseMs: 500 });
    assert.deepEqual(decideRestart(WORKER_RESTARTS, exit, 5), { kind: "abandon" });
  }
});

test("a worker that was sent away has done its work; one that was refused is given up", () => {
  assert.deepEqual(decideRestart(WORKER_RESTARTS, ended(0), 0), { kind: "done" });
  assert.deepEqual(decideRestart(WORKER_RESTARTS, ended(5), 0), { kind: "abandon" });
});

test("a coordinator comes back after a crash, not after an end with a code of its own", () => {
  for (const exit of [killed, ended(1)])
    assert.deepEqual(decideRestart(COORDINATOR_RESTARTS, exit, 0), { kind: "restart", pauseMs: 500 });
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
