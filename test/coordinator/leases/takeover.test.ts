/** Who takes over from whom, and who is to leave a unit to others: on books made by hand. */
import assert from "node:assert/strict";
import { COMMON_ACCOUNT } from "../../../coordinator/pool/fairness.js";
import { test } from "node:test";
import { helps, speedsOf } from "../../../coordinator/leases/balance.js";
import {
  type Grant,
  type GrantState,
  type JobRecord,
  type LeaseBook,
  type Member,
  type UnitRecord,
  emptyBook,
} from "../../../coordinator/leases/book.js";
import { type Paces, paceOf, withPace, withoutWorker } from "../../../coordinator/leases/pace.js";
import { lateUnits, takeoverFor } from "../../../coordinator/leases/second-copies.js";
import type { Unit, WorkPlan } from "../../../coordinator/leases/unit.js";
import { fixedPlan } from "../../../coordinator/evaluation/fixed-plan.js";
import { WASM } from "../../support/fingerprints.js";
import { GOOD_STANDING } from "../../../coordinator/pool/standing.js";

const SERIES = "block";
const NOW = 10_000;

const unitOf = (id: string, change: Partial<Unit> = {}): Unit => ({
  ...{ id, images: 10, steps: 1 },
  patience: { series: SERIES, scale: 1, floorMs: 1, unknownMs: 1, warmUpMs: 0 },
  ...change,
});

/** The same after one more lease of a worker, at `msPerImage`. */
const leased = (paces: Paces, worker: string, msPerImage: number): Paces =>
  withPace(paces, { series: SERIES, worker }, { images: 10, ms: 10 * msPerImage, atMs: NOW, isCold: false });

/** After as many as it takes to know its pace. */
const known = (paces: Paces, worker: string, msPerImage: number): Paces =>
  [1, 2, 3].reduce((before) => leased(before, worker, msPerImage), paces);

/** Who holds what since when, and how fast each is, ms an image; undefined: nothing is known. */
interface Situation {
  units?: readonly Unit[];
  holds?: Record<string, { unit: string; sinceMs: number; state?: GrantState }[]>;
  msPerImage: Record<string, number | undefined>;
  plan?: WorkPlan;
  strays?: readonly string[];
}

function bookOf({ units = [unitOf("u")], holds = {}, msPerImage, plan, strays = [] }: Situation): {
  book: LeaseBook;
  job: JobRecord;
  member: (id: string) => Member;
} {
  let leaseId = 0;
  const grants = new Map<string, Grant[]>(units.map(({ id }) => [id, []]));
  const members = new Map<string, Member>();
  let paces: Paces = new Map();
  for (const [id, pace] of Object.entries(msPerImage)) {
    if (pace !== undefined) paces = known(paces, id, pace);
    const held = (holds[id] ?? []).map(({ unit, sinceMs, state = "held" }) => {
      const before = grants.get(unit) ?? [];
      const grant = {
        leaseId: ++leaseId,
        worker: id,
        engine: WASM,
        host: "",
        attempt: 1,
        grantedMs: sinceMs,
        state,
        progress: 0,
      };
      grants.set(unit, [...before, grant]);
      return { grant, unit: units.find((candidate) => candidate.id === unit) as Unit };
    });
    const now = held.find(({ grant }) => grant.state === "held" || grant.state === "raced");
    members.set(id, {
      ...{
        id,
        incarnation: 1,
        engine: WASM,
        pid: 1,
        host: "",
        lastSeenMs: NOW,
        endedLease: 0,
        untold: undefined,
      },
      ...{
        lastRun: "",
        warm: new Set<string>(),
        leaseMs: 0,
        imagesPerSecond: 0,
        images: 0,
        rssBytes: 0,
        retries: 0,
      },
      ...{ standing: GOOD_STANDING, note: "", strayLease: strays.includes(id) ? 99 : 0 },
      lease:
        now === undefined
          ? undefined
          : {
              ...{
                id: now.grant.leaseId,
                jobId: "job",
                account: COMMON_ACCOUNT,
                runId: "run",
                unit: now.unit,
              },
              ...{ grantedMs: now.grant.grantedMs, unseenMs: 0, deadlineMs: 1e9, isOverdue: false },
            },
    });
  }
  const records = units.map((unit): [string, UnitRecord] => [
    unit.id,
    { unit, grants: grants.get(unit.id) ?? [], done: undefined },
  ]);
  const job: JobRecord = {
    ...{
      id: "job",
      account: COMMON_ACCOUNT,
      runId: "run",
      plan: plan ?? fixedPlan(units, "the work"),
      isPlanned: true,
      unitCount: units.length,
      lastServed: 0,
      paces,
    },
    ...{ units: new Map(records), times: new Map(), affinities: new Map() },
  };
  const book = {
    ...emptyBook({
      heartbeatMs: 1000,
      quarantine: { after: 3, firstMs: 1 },
      hungAfter: 0,
      mixedEngines: "refuse",
    }),
    members,
    jobs: new Map([["job", job]]),
  };
  return { book, job, member: (id) => members.get(id) as Member };
}

/** The unit that idle worker "b" takes over. */
function taken(situation: Situation): string | undefined {
  const { book, job, member } = bookOf(situation);
  return takeoverFor(job, member("b"), lateUnits(book, job, NOW), NOW)?.record.unit.id;
}

/** A holds its unit since just now and needs a second for it; b needs 100 ms. */
const slow: Situation = {
  msPerImage: { a: 100, b: 10 },
  holds: { a: [{ unit: "u", sinceMs: NOW }] },
};

test("an idle worker takes over what its holder brings much later", () => {
  assert.equal(taken(slow), "u");
});

test("but not where little is gained: half a unit's time, or a busy machine's delay", () => {
  assert.equal(taken({ ...slow, msPerImage: { a: 15, b: 10 } }), undefined);
  assert.equal(taken({ ...slow, msPerImage: { a: 16.1, b: 10 } }), "u");
  assert.equal(taken({ ...slow, msPerImage: { a: 5, b: 1 } }), undefined, "40 ms");
});

test("of several it takes over what gains most, whatever their order", () => {
  const units = [unitOf("u"), unitOf("v"), unitOf("w")];
  const holds = Object.fromEntries(
    ["a", "c", "d"].map((id, i) => [id, [{ unit: units[i]?.id ?? "", sinceMs: NOW }]]),
  );
  assert.equal(taken({ units, holds, msPerImage: { a: 50, b: 10, c: 90, d: 40, e: 10, f: 10 } }), "v");
});

test("no unit is computed by a third, none a second time by the same, and none for which one is enough", () => {
  const raced = {
    a: [{ unit: "u", sinceMs: NOW }],
    c: [{ unit: "u", sinceMs: NOW, state: "raced" as const }],
  };
  assert.equal(taken({ holds: raced, msPerImage: { a: 100, b: 10, c: 100 } }), undefined);
  const before = { ...slow.holds, b: [{ unit: "u", sinceMs: 0, state: "failed" as const }] };
  assert.equal(taken({ ...slow, holds: before }), undefined);
  assert.equal(taken({ ...slow, units: [unitOf("u", { isExclusive: true })] }), undefined);
});

test("what the job does not want any more is taken over by nobody", () => {
  const plan = { ...fixedPlan([unitOf("u")], "the work"), wants: () => false };
  assert.equal(taken({ ...slow, plan }), undefined);
});

test("a slow worker leaves the last unit to the others; one of which nothing is known takes it", () => {
  const helpsWith = (ownPace: number | undefined, change: Partial<Unit> = {}): boolean => {
    const unit = unitOf("u", change);
    const { book, job, member } = bookOf({
      units: [unit],
      msPerImage: { slow: ownPace, b: 10, c: 10 },
    });
    return helps(book, job, member("slow"), unit, NOW);
  };
  assert.equal(helpsWith(100), false);
  assert.equal(helpsWith(14), true, "about as fast");
  assert.equal(helpsWith(undefined), true);
  assert.equal(helpsWith(100, { isExclusive: true }), true, "nobody else can have a part of it");
});

test("workers that are about as fast count as equally fast, and one that is still busy elsewhere not at all", () => {
  const { book, job } = bookOf({ msPerImage: { a: 10, b: 14, c: 40, d: 10 }, strays: ["d"] });
  assert.deepEqual(speedsOf(book, job, SERIES, NOW), [1, 1, 0.25]);
});

test("a first lease says nothing of a worker's pace, and of a worker that is gone nothing is kept", () => {
  const key = { series: SERIES, worker: "a" };
  const cold = withPace(new Map(), key, { images: 10, ms: 10 * 500, atMs: NOW, isCold: true });
  assert.equal(paceOf(cold, SERIES, "a", NOW), undefined);
  const warm = known(cold, "a", 10);
  assert.equal(paceOf(warm, SERIES, "a", NOW), 10, "the cold one is no part of the median");
  const left = withoutWorker(known(warm, "b", 20), "a");
  assert.equal(paceOf(left, SERIES, "a", NOW), undefined);
  assert.equal(paceOf(left, SERIES, "b", NOW), 20);
});

test("by one or two leases nobody is judged, nor by one that was held up, as by a machine that slept", () => {
  const once = leased(new Map(), "a", 5000);
  assert.equal(paceOf(once, SERIES, "a", NOW), undefined);
  assert.equal(paceOf(leased(once, "a", 5000), SERIES, "a", NOW), undefined);
  assert.equal(paceOf(leased(leased(once, "a", 10), "a", 11), SERIES, "a", NOW), 11);
  const usual = leased(leased(leased(new Map(), "a", 10), "a", 11), "a", 10);
  assert.equal(paceOf(leased(usual, "a", 5000), SERIES, "a", NOW), 10.5);
  assert.equal(paceOf(known(usual, "a", 50), SERIES, "a", NOW), 50);
});

test("a pace is believed for twenty times its lease, from five seconds to a minute, but for four leases", () => {
  for (const [ms, believedMs] of [
    [100, 5000],
    [1000, 20_000],
    [10_000, 60_000],
    [30_000, 120_000],
  ] as const) {
    const lease = { images: 1, ms, atMs: NOW, isCold: false };
    const paces = [1, 2, 3].reduce<Paces>(
      (before) => withPace(before, { series: SERIES, worker: "a" }, lease),
      new Map(),
    );
    assert.equal(paceOf(paces, SERIES, "a", NOW + believedMs), ms);
    assert.equal(paceOf(paces, SERIES, "a", NOW + believedMs + 1), undefined);
  }
});
