import assert from "node:assert/strict";
import { test } from "node:test";
import { type LeaseBook, emptyBook } from "../../../coordinator/leases/book.js";
import { decide } from "../../../coordinator/leases/decide.js";
import type { Effect, LeaseEvent } from "../../../coordinator/leases/events.js";
import { servingOrder } from "../../../coordinator/leases/mates.js";
import { groupAround } from "../../../coordinator/training/modes/step-by-step/host-groups.js";
import { blockPlan } from "../../../coordinator/training/modes/step-by-step/plan.js";
import { WASM } from "../../support/fingerprints.js";

type Hosts = Record<string, string>;

/** A pool whose workers joined in this order, each on its host, before anything was planned. */
function poolOf(hosts: Hosts): LeaseBook {
  let book = emptyBook({
    heartbeatMs: 500,
    quarantine: { after: 3, firstMs: 5000 },
    hungAfter: 10,
    mixedEngines: "refuse",
  });
  for (const [worker, host] of Object.entries(hosts)) {
    const event: LeaseEvent = {
      kind: "joined",
      worker,
      incarnation: 1,
      engine: WASM,
      pid: 1,
      host,
      leaseId: 0,
    };
    book = decide(book, event, 0).book;
  }
  return book;
}

function planned(book: LeaseBook, slots: number): LeaseBook {
  const plan = { images: 2 ** 10, batchSize: 8 * slots, slots, epochs: 10 };
  const mode = blockPlan({ plan, floorMs: 2000 }, { step: 0, stopAt: 100 });
  const event: LeaseEvent = { kind: "planned", jobId: "job", runId: "run", plan: mode, isFresh: false };
  return decide(book, event, 0).book;
}

/** Who gets which slot first. */
function served(book: LeaseBook, first?: string): { book: LeaseBook; leased: Effect[]; text: string } {
  const { book: after, effects } = decide(book, { kind: "serve", first }, 0);
  const leased = effects.filter(({ kind }) => kind === "lease");
  const text = leased
    .map((effect) => (effect.kind === "lease" ? `${effect.worker} ${effect.unit.block?.first}` : ""))
    .sort()
    .join(", ");
  return { book: after, leased, text };
}

const TWO_BY_TWO = { w1: "a", w2: "b", w3: "a", w4: "b" };

test("mates are served one after another; who has no host is served in its turn", () => {
  const book = poolOf({ w1: "a", w2: "", w3: "b", w4: "a", w5: "" });
  assert.deepEqual(servingOrder(book), ["w1", "w4", "w2", "w3", "w5"]);
  assert.deepEqual(servingOrder(book, "w5"), ["w5", "w1", "w4", "w2", "w3"]);
  assert.deepEqual(servingOrder(book, "w4"), ["w4", "w1", "w2", "w3", "w5"]);
  assert.deepEqual(servingOrder(book, "gone"), ["w1", "w4", "w2", "w3", "w5"]);
});

test("blocks of mates lie together, though each had others before", () => {
  assert.equal(served(planned(poolOf(TWO_BY_TWO), 4)).text, "w1 0, w2 2, w3 1, w4 3");
  const book = planned(poolOf(TWO_BY_TWO), 4);
  const job = book.jobs.get("job");
  assert.ok(job);
  // As they were before workers had hosts.
  const affinities = new Map([0, 1, 2, 3].map((slot) => [`w${slot + 1}`, `slot ${slot}`]));
  const mixed = { ...book, jobs: new Map(book.jobs).set("job", { ...job, affinities }) };
  for (const first of ["w1", "w2", "w3", "w4", undefined]) {
    const slots = new Map(
      served(mixed, first)
        .text.split(", ")
        .map((one) => one.split(" ") as [string, string]),
    );
    const half = (worker: string): number => Number(slots.get(worker)) >> 1;
    assert.deepEqual(
      [half("w3"), half("w4")],
      [half("w1"), half("w2")],
      `first ${first}: ${[...slots].join("; ")}`,
    );
  }
});

test("the first of a host that joined passes parameters on; who is alone gets its own", () => {
  const { leased } = served(planned(poolOf({ w1: "a", w2: "b", w3: "a", w4: "" }), 4));
  const relays = leased.flatMap((effect) =>
    effect.kind === "lease" ? [`${effect.worker} ${effect.relay}`] : [],
  );
  assert.deepEqual(relays.sort(), ["w1 w1", "w2 ", "w3 w1", "w4 "]);
});

test("a group is the largest node whose blocks mates hold, each for the first time", () => {
  const recordsOf = (hosts: Hosts, slots: number): Parameters<typeof groupAround>[2] => [
    ...(served(planned(poolOf(hosts), slots))
      .book.jobs.get("job")
      ?.units.values() ?? []),
  ];
  const groups = (records: ReturnType<typeof recordsOf>, slots: number): string[] =>
    records.map(({ unit }) => {
      const group = groupAround(slots, unit.id, records);
      return group === undefined ? "alone" : `${group.node} by ${group.porter} of ${group.blocks.length}`;
    });
  const two = recordsOf(TWO_BY_TWO, 4);
  assert.deepEqual(groups(two, 4), ["2 by w1 of 2", "2 by w1 of 2", "3 by w2 of 2", "3 by w2 of 2"]);
  assert.deepEqual(
    groups(recordsOf({ w1: "a", w2: "a", w3: "a", w4: "a" }, 8), 8),
    Array(4).fill("1 by w1 of 4"),
  );
  assert.deepEqual(groups(recordsOf({ w1: "a", w2: "a", w3: "a", w4: "" }, 4), 4), [
    ...["2 by w1 of 2", "2 by w1 of 2"],
    ...["alone", "alone"],
  ]);
  assert.deepEqual(groups(recordsOf({ w1: "", w2: "" }, 4), 4), ["alone", "alone"]);
  const [first, second, ...others] = two;
  assert.ok(first && second);
  const again = { ...second, grants: [...second.grants, ...second.grants] };
  assert.deepEqual(groups([first, again, ...others], 4).slice(0, 2), ["alone", "alone"]);
  const done = { ...second, done: { worker: "w3", engine: WASM, attempt: 1, ms: 1, atMs: 1, stepMs: 1 } };
  assert.deepEqual(groups([first, done, ...others], 4).slice(0, 2), ["alone", "alone"]);
});
