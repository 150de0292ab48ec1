import assert from "node:assert/strict";
import { test } from "node:test";
import { KeptProcess } from "../../../deploy/local/kept-process.js";
import type { ProcessExit } from "../../../deploy/local/process-exit.js";
import type { Program } from "../../../deploy/local/program.js";
import { type RestartDecision, WORKER_RESTARTS } from "../../../deploy/local/restarts.js";
import { VirtualClock } from "../../support/virtual-clock.js";

const CRASH: ProcessExit = { code: 1, signal: null };

/** Programs that end when the test says so. */
function keep(): {
  kept: KeptProcess;
  clock: VirtualClock;
  ends: ((exit: ProcessExit) => void)[];
  told: [ProcessExit, RestartDecision["kind"]][];
} {
  const clock = new VirtualClock();
  const ends: ((exit: ProcessExit) => void)[] = [];
  const told: [ProcessExit, RestartDecision["kind"]][] = [];
  const kept = new KeptProcess({
    start: (): Program => ({
      pid: ends.length + 1,
      exited: new Promise((resolve) => ends.push(resolve)),
      kill: () => undefined,
    }),
    policy: WORKER_RESTARTS,
    clock,
    onEnd: (exit, { kind }) => told.push([exit, kind]),
  });
  return { kept, clock, ends, told };
}

test("an end is told at once; the process is there again after the pause", async () => {
  const { kept, clock, ends, told } = keep();
  assert.equal(kept.program.pid, 1);
  ends.at(-1)?.(CRASH);
  await clock.advance(499);
  assert.deepEqual(told, [[CRASH, "restart"]]);
  assert.equal(kept.program.pid, 1);
  await clock.advance(1);
  assert.equal(kept.program.pid, 2);
});

test("a process that crashes again and again is given up, with its last end", async () => {
  const { kept, clock, ends, told } = keep();
  for (let end = 0; end < 6; end++) {
    ends.at(-1)?.(CRASH);
    await clock.advance(500);
  }
  assert.deepEqual(await kept.settled, CRASH);
  assert.deepEqual(
    told.map(([, kind]) => kind),
    ["restart", "restart", "restart", "restart", "restart", "abandon"],
  );
  assert.equal(ends.length, 6);
});

test("a process that was let go stays away, and its end is no news", async () => {
  const { kept, clock, ends, told } = keep();
  kept.letGo();
  const killed: ProcessExit = { code: null, signal: "SIGTERM" };
  ends.at(-1)?.(killed);
  assert.deepEqual(await kept.settled, killed);
  await clock.advance(1000);
  assert.deepEqual([told, ends.length], [[], 1]);
});

test("letting go ends the pause before a restart", async () => {
  const { kept, clock, ends } = keep();
  ends.at(-1)?.(CRASH);
  await clock.advance(100);
  kept.letGo();
  assert.deepEqual(await kept.settled, CRASH);
  await clock.advance(1000);
  assert.deepEqual([ends.length, clock.pending], [1, 0]);
});
