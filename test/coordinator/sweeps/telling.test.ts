import assert from "node:assert/strict";
import { test } from "node:test";
import type { Segment } from "../../../coordinator/sweeps/segment.js";
import { SweepTelling } from "../../../coordinator/sweeps/telling.js";
import type { TrialState } from "../../../shared/records/sweep-line.js";
import { ASHA, Played, listOf, outcomeOf, spaceFrom } from "./support.js";

const TOLD = { name: "test", title: "A test", objectives: [{ metric: "clean", goal: "maximize" }] } as const;

/** Three trials are begun, one of them for its second rung; a fourth one is at its first. */
function threeBegun(): { played: Played; begun: Segment[] } {
  const played = new Played(spaceFrom({ ...listOf(9), stopping: ASHA }));
  for (const clean of [0.9, 0.5, 0.4])
    played.end(played.take() as Segment, outcomeOf(played.segments.at(-1) as Segment, { clean }));
  const begun = [played.take(), played.take(), played.take()].flatMap((segment) => segment ?? []);
  assert.deepEqual(
    begun.map(({ number, rung }) => [number, rung]),
    [
      [0, 1],
      [3, 0],
      [4, 0],
    ],
  );
  return { played, begun };
}

test("a trial runs while a worker computes at it, and waits for one until then", () => {
  const { played, begun } = threeBegun();
  const telling = new SweepTelling(TOLD, played.book, played.timeS);
  const statesWith = (served: readonly Segment[]): [number, number, TrialState | undefined] => {
    const underWay = { samples: 0, served: new Set(served.map(({ trial }) => trial)) };
    const { counts, best } = telling.progress(played.timeS, underWay);
    return [counts.running, counts.waiting, best[0]?.state];
  };
  const [first, ...others] = begun as [Segment, ...Segment[]];
  assert.deepEqual(statesWith(begun), [3, 2, "running"]);
  assert.deepEqual(statesWith(others), [2, 3, "waiting"], "two workers run two trials");
  assert.deepEqual(statesWith([first]), [1, 4, "running"], "both compute at one");
  assert.deepEqual(statesWith([]), [0, 5, "waiting"]);
});

test("where a sweep is over or cancelled, what had begun does not wait", () => {
  const { played } = threeBegun();
  const telling = new SweepTelling(TOLD, played.book, played.timeS);
  const nobody = { samples: 0, served: new Set<string>() };
  assert.equal(telling.progress(played.timeS, nobody, "interrupted").counts.running, 3);
  played.book.apply({ kind: "cancelled", time: played.timeS });
  assert.equal(telling.progress(played.timeS, nobody).counts.running, 3);
});
