import assert from "node:assert/strict";
import { test } from "node:test";
import { Crew } from "../../../deploy/local/crew.js";
import type { ProcessExit } from "../../../deploy/local/process-exit.js";
import { VirtualClock } from "../../support/virtual-clock.js";

const CRASH: ProcessExit = { code: 1, signal: null };
const REFUSED: ProcessExit = { code: 5, signal: null };

/** Workers whose processes end when the test says so. */
function crewOf(ids: readonly string[], isUnwatched = false) {
  const clock = new VirtualClock();
  const ends = new Map<string, (exit: ProcessExit) => void>();
  const starts: string[] = [];
  const notes: string[] = [];
  const deaths: [string, number][] = [];
  const lost: string[] = [];
  const crew = new Crew({
    start: (id) => {
      starts.push(id);
      const pid = starts.length;
      return {
        pid,
        exited: new Promise((resolve) => ends.set(id, resolve)),
        kill: (signal) => ends.get(id)?.({ code: null, signal }),
        tell: () => undefined,
      };
    },
    logs: "/nowhere",
    clock,
    onNote: (message) => notes.push(message),
    onDeath: (worker, pid) => deaths.push([worker, pid]),
    onNobodyLeft: (message) => lost.push(message),
    isUnwatched,
  });
  for (const id of ids) crew.add(id);
  const end = async (id: string, exit: ProcessExit): Promise<void> => {
    ends.get(id)?.(exit);
    await clock.advance(0);
  };
  /** The last words of a worker are looked for on the disk. */
  const lostOne = async (): Promise<string> => {
    for (let turn = 0; lost.length === 0 && turn < 100_000; turn++) await new Promise(setImmediate);
    return lost.join();
  };
  return { crew, clock, starts, notes, deaths, lost, lostOne, end };
}

test("a death is told at once with its process, and the worker starts again", async () => {
  const { crew, clock, deaths, notes, end } = crewOf(["a", "b"]);
  await end("b", CRASH);
  assert.deepEqual(deaths, [["b", 2]]);
  assert.deepEqual(notes, ["b ended (exit code 1); starting it again"]);
  await clock.advance(500);
  assert.equal(crew.pidOf("b"), 3);
  assert.equal(crew.presentCount, 2);
});

test("nobody is left only when the last one is given up, and a worker that comes back counts again", async () => {
  const { crew, clock, notes, lost, lostOne, end } = crewOf(["a", "b"]);
  await end("a", REFUSED);
  assert.deepEqual([crew.presentCount, lost.length], [1, 0]);
  await end("b", REFUSED);
  assert.equal(crew.presentCount, 0);
  assert.match(await lostOne(), /^No worker is left: b ended last \(exit code 5\): it said nothing$/);
  const before = notes.length;
  await clock.advance(60_000);
  assert.equal(crew.presentCount, 2);
  assert.deepEqual(
    notes.slice(before),
    ["a", "b"].map((id) => `${id}, which was given up for now, is tried again`),
    "the last words of it must not stay that it is gone",
  );
});

test("a worker that was sent away is not missed: its crew settles", async () => {
  const { crew, starts, lost, end } = crewOf(["a"]);
  await end("a", { code: 0, signal: null });
  await crew.settled();
  assert.deepEqual([starts.length, lost.length], [1, 0]);
});

test("where nobody watches, living is success: crashes hours apart never use up the restarts", async () => {
  for (const isUnwatched of [true, false]) {
    const { clock, starts, end } = crewOf(["a"], isUnwatched);
    const pauses: boolean[] = [];
    for (let i = 0; i < 8; i++) {
      await clock.advance(3_600_000);
      await end("a", CRASH);
      const before = starts.length;
      await clock.advance(500);
      pauses.push(starts.length > before);
    }
    assert.equal(pauses.every(Boolean), isUnwatched, pauses.join());
  }
});
