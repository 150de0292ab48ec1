import assert from "node:assert/strict";
import { test } from "node:test";
import { fairOrder } from "../../../coordinator/pool/fairness.js";
import { SEED, randomNumbers } from "../../support/draws.js";

test("the job with the fewest workers comes first, then the one that has waited longest", () => {
  const shares = {
    many: { held: 3, lastServed: 1 },
    late: { held: 1, lastServed: 9 },
    early: { held: 1, lastServed: 4 },
    fresh: { held: 0, lastServed: 7 },
  };
  const names = ["many", "late", "early", "fresh"] as const;
  assert.deepEqual(
    fairOrder(names, (name) => shares[name]),
    ["fresh", "early", "late", "many"],
  );
});

test("jobs that were never served keep their order", () => {
  assert.deepEqual(
    fairOrder(["a", "b", "c"], () => ({ held: 0, lastServed: 0 })),
    ["a", "b", "c"],
  );
});

test("whatever their leases take, no job waits for more turns than there are jobs", (t) => {
  t.diagnostic(`SAF_TEST_SEED=${SEED}`);
  const below = randomNumbers(SEED);
  const jobs = ["a", "b", "c", "d", "e"];
  for (let workers = 1; workers <= 6; workers++) {
    const lastServed = new Map<string, number>();
    const busy: { job: string; until: number }[] = [];
    for (let turn = 1; turn <= 500; turn++) {
      if (busy.length === workers) busy.sort((x, y) => x.until - y.until).shift();
      const [job = ""] = fairOrder(jobs, (name) => ({
        held: busy.filter((lease) => lease.job === name).length,
        lastServed: lastServed.get(name) ?? 0,
      }));
      lastServed.set(job, turn);
      busy.push({ job, until: turn + 1 + below(20) });
      if (turn <= jobs.length) continue;
      // With fewer workers than jobs each must come round; a job that holds a worker already is served.
      for (const name of jobs) {
        const waited = turn - (lastServed.get(name) ?? 0);
        assert.ok(
          waited < 2 * jobs.length || busy.some((lease) => lease.job === name),
          `${name} waited ${waited} turns for one of ${workers} workers`,
        );
      }
    }
  }
});
