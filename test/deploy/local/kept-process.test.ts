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
  /** Ends of late, as each restart tells them. */
  counted: number[];
} {
  const clock = new VirtualClock();
  const ends: ((exit: ProcessExit) => void)[] = [];
  const told: [ProcessExit, RestartDecision["kind"]][] = [];
  const counted: number[] = [];
  const kept = new KeptProcess({
    start: (): Program => ({
      pid: ends.length + 1,
      exited: new Promise((resolve) => ends.push(resolve)),
      kill: () => undefined,
      tell: () => undefined,
    }),
    policy: WORKER_RESTARTS,
    clock,
    onEnd: (exit, next) => {
      told.push([exit, next.kind]);
      if (next.kind === "restart") counted.push(next.recent);
    },
  });
  return { kept, clock, ends, told, counted };
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

test("a process that crashes again and again is started again later each time, then rests for a minute", async () => {
  const { clock, ends, told } = keep();
  for (const pauseMs of [500, 1000, 2000, 4000, 4000, 60_000]) {
    const starts = ends.length;
    ends.at(-1)?.(CRASH);
    await clock.advance(pauseMs - 1);
    assert.equal(ends.length, starts, `started before ${pauseMs} ms`);
    await clock.advance(1);
    assert.equal(ends.length, starts + 1);
  }
  ends.at(-1)?.(CRASH);
  await clock.advance(0);
  assert.deepEqual(
    told.map(([, kind]) => kind),
    ["restart", "restart", "restart", "restart", "restart", "rest", "rest"],
  );
});

test("a process that served and lived for a while has all its restarts again", async () => {
  const { kept, clock, ends, told } = keep();
  for (let end = 0; end < 12; end++) {
    kept.served();
    await clock.advance(10_000);
    ends.at(-1)?.(CRASH);
    await clock.advance(4000);
  }
  assert.deepEqual(
    told.map(([, kind]) => kind),
    Array.from({ length: 12 }, () => "restart"),
  );
  assert.equal(ends.length, 13);
});

test("ends of late make the pause longer and are counted, with success in between or not; old ones are forgotten", async () => {
  const { kept, clock, ends, counted } = keep();
  const startedAfterMs = async (): Promise<number> => {
    kept.served();
    await clock.advance(10_000);
    const before = ends.length;
    ends.at(-1)?.(CRASH);
    for (let ms = 0; ; ms += 100) {
      if (ends.length > before) return ms;
      await clock.advance(100);
    }
  };
  const pauses = [];
  for (let end = 0; end < 6; end++) pauses.push(await startedAfterMs());
  assert.deepEqual(pauses, [500, 1000, 2000, 4000, 4000, 4000]);
  assert.deepEqual(counted, [1, 2, 3, 4, 5, 6]);
  await clock.advance(600_000);
  assert.equal(await startedAfterMs(), 500);
});

test("a process that only lived, or served and died soon, has them not", async () => {
  for (const [livesMs, serves] of [
    [20_000, false],
    [5000, true],
  ] as const) {
    const { kept, clock, ends, told } = keep();
    for (let end = 0; end < 6; end++) {
      if (serves) kept.served();
      await clock.advance(livesMs);
      ends.at(-1)?.(CRASH);
      await clock.advance(4000);
    }
    assert.equal(told.at(-1)?.[1], "rest");
  }
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
