/** Sweeps played through in random orders, with failures, interruptions, and crashes that tear the journal off anywhere. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SweepBook } from "../../../coordinator/sweeps/book.js";
import type { Segment } from "../../../coordinator/sweeps/segment.js";
import type { Space } from "../../../coordinator/sweeps/space-shape.js";
import { at } from "../../../shared/core/at.js";
import type { SweepLine, TrialRow } from "../../../shared/records/sweep-line.js";
import { SEED, randomNumbers } from "../../support/draws.js";
import { ASHA, CODE, failure, listOf, outcomeOf, replayed, spaceFrom, written } from "./support.js";

const SCHEDULES = 12;
const MOST_TURNS = 4000;

type Draw = (limit: number) => number;

/** How good a trial is at a rung: of its values alone. */
function qualityOf({ config, rung }: Segment): number {
  const rate = config.train.learning_rate;
  const spread = Math.sin(1e4 * (typeof rate === "number" ? rate : 0)) * 0.4;
  return 0.5 + spread + rung * 0.02;
}

class Schedule {
  readonly lines: SweepLine[];
  /** The spec grows from one to the next, when a process begins anew. */
  readonly #spaces: readonly Space[];
  #version = 0;
  readonly #draw: Draw;
  #book: SweepBook;
  #inHand: Segment[] = [];
  #timeS = 1000;
  crashes = 0;

  constructor(spaces: readonly Space[], draw: Draw) {
    this.#spaces = spaces;
    this.#draw = draw;
    this.#book = new SweepBook(this.#space, CODE);
    this.lines = [...this.#book.open(this.#timeS)];
  }

  get #space(): Space {
    return at(this.#spaces, this.#version);
  }

  /** False when nothing is left to do. */
  turn(): boolean {
    const kind = this.#draw(100);
    if (kind < 3) this.#crash();
    else if (kind < 8) this.#interrupt();
    else if (kind < 9) this.#byHand();
    else if (kind < 55 && this.#inHand.length > 0) this.#end();
    else return this.#take() || this.#grow();
    return true;
  }

  #take(): boolean {
    if (this.#inHand.length >= 5) return true;
    const taken = this.#book.take(++this.#timeS);
    this.lines.push(...taken.lines);
    if (taken.kind === "begin") this.#inHand.push(taken.segment);
    if (taken.kind === "wait") assert.ok(this.#inHand.length > 0, "something is waited for");
    return taken.kind !== "none";
  }

  #end(): void {
    const [segment] = this.#inHand.splice(this.#draw(this.#inHand.length), 1);
    assert.ok(segment !== undefined);
    const luck = this.#draw(100);
    const quality = luck < 4 ? NaN : qualityOf(segment);
    const end =
      luck > 92 ? failure(luck > 98 ? "diverged" : "worker") : outcomeOf(segment, { clean: quality });
    const lines = this.#book.ended(segment, end, ++this.#timeS);
    assert.notEqual(lines.length, 0);
    this.lines.push(...lines);
    // Answers that come twice or late change nothing.
    const before = this.#book.summary();
    assert.deepEqual(this.#book.ended(segment, outcomeOf(segment, { clean: 1 }), this.#timeS), []);
    assert.deepEqual(this.#book.summary(), before);
  }

  #grow(): boolean {
    if (this.#version + 1 >= this.#spaces.length) return false;
    this.#version++;
    this.#begin();
    return true;
  }

  /** Failed trials are told to try again, or the sweep is cancelled, or goes on. */
  #byHand(): void {
    const book = this.#book;
    const timeS = ++this.#timeS;
    const isCancelled = book.summary().isCancelled;
    this.lines.push(
      ...(this.#draw(2) === 0
        ? book.retry("failed", timeS)
        : isCancelled
          ? book.resume(timeS)
          : book.cancel(timeS)),
    );
    if (!book.summary().isCancelled) return;
    const taken = book.take(timeS);
    assert.equal(
      taken.kind,
      this.#inHand.length > 0 ? "wait" : "none",
      "nothing begins while it is cancelled",
    );
    this.lines.push(...taken.lines, ...book.resume(timeS));
  }

  #interrupt(): void {
    const [segment] = this.#inHand.splice(this.#draw(this.#inHand.length + 1), 1);
    if (segment !== undefined) this.#book.returned(segment);
  }

  /** The process dies; of what it wrote last, some lines are lost. */
  #crash(): void {
    this.compare();
    this.crashes++;
    const lost = this.#draw(4) === 0 ? this.#draw(this.lines.length) : this.#draw(5);
    this.lines.splice(Math.max(1, this.lines.length - lost));
    if (this.#version + 1 < this.#spaces.length && this.#draw(3) === 0) this.#version++;
    this.#begin();
  }

  #begin(): void {
    const { book, refused } = replayed(this.#space, this.lines);
    assert.deepEqual(refused, []);
    this.#book = book;
    this.#inHand = [];
    // The crash may have come between "cancelled" and "resumed".
    this.lines.push(...this.#book.open(++this.#timeS), ...this.#book.resume(this.#timeS));
  }

  /** Whoever reads the journal has the same book, and would decide the same next. */
  compare(): SweepBook {
    for (const segment of this.#inHand) this.#book.returned(segment);
    this.#inHand = [];
    const { book, refused } = replayed(this.#space, this.lines);
    assert.deepEqual(refused, []);
    assert.deepEqual(book.rows(), this.#book.rows());
    assert.deepEqual([book.summary(), book.rungCounts()], [this.#book.summary(), this.#book.rungCounts()]);
    assert.deepEqual(book.best(20), this.#book.best(20));
    for (let i = 0; i < 3; i++) {
      const [here, there] = [this.#book.take(this.#timeS), book.take(this.#timeS)];
      assert.deepEqual(there, here);
      this.lines.push(...here.lines);
      if (here.kind === "begin") this.#inHand.push(here.segment);
    }
    return this.#book;
  }
}

function played(
  spaces: readonly Space[],
  seed: number,
): { rows: TrialRow[]; lines: SweepLine[]; crashes: number } {
  const schedule = new Schedule(spaces, randomNumbers(seed));
  let turns = 0;
  while (schedule.turn()) assert.ok(++turns < MOST_TURNS, "the sweep comes to an end");
  const book = schedule.compare();
  for (const row of book.rows()) checkRow(row);
  const { created, running, waiting, samplesSeen } = book.summary();
  assert.deepEqual([running, waiting], [0, 0], "no trial is left lying");
  assert.equal(new Set(book.rows().map(({ trial }) => trial)).size, created);
  assert.equal(samplesSeen, samplesIn(book));
  checkCounted(schedule.lines);
  return { rows: book.rows(), lines: written(schedule.lines), crashes: schedule.crashes };
}

function checkRow({ rungs, state, parent, number, reason }: TrialRow): void {
  const first = parent === undefined ? 0 : parent.rung + 1;
  assert.deepEqual(
    rungs.map(({ rung }) => rung),
    rungs.map((_, i) => first + i),
    `rungs of trial ${number}`,
  );
  assert.equal(state === "done", rungs.at(-1)?.last === true);
  assert.ok(state === "done" || reason !== undefined, `trial ${number} is ${state} without a reason`);
}

function samplesIn(book: SweepBook): number {
  const inherited = ({ parent }: TrialRow): number =>
    book.row(parent?.trial ?? "")?.rungs.find(({ rung }) => rung === parent?.rung)?.samples ?? 0;
  return book.rows().reduce((sum, row) => sum + Math.max(0, row.samples - inherited(row)), 0);
}

/** No rung of a trial counts twice, and no attempt both fails and counts. */
function checkCounted(lines: readonly SweepLine[]): void {
  const keys = lines.flatMap((line) => (line.kind === "result" ? [`${line.trial} ${line.rung}`] : []));
  assert.equal(new Set(keys).size, keys.length);
  const ends = lines.flatMap((line) =>
    line.kind === "result" || line.kind === "failed" ? [`${line.trial} ${line.attempt} ${line.rung}`] : [],
  );
  assert.equal(new Set(ends).size, ends.length);
}

const SWEEPS: Record<string, object> = {
  "no early stopping": { limits: { trials: 30 } },
  "successive halving": { limits: { trials: 40 }, stopping: ASHA },
  "successive halving without an end of its own": { limits: { samples: 40_000 }, stopping: ASHA },
  "median stop": { limits: { trials: 30 }, stopping: { ...ASHA, method: "median" } },
  population: { limits: { trials: 12 }, stopping: { ...ASHA, method: "population" } },
  "a grid with seeds": {
    parameters: { "train.learning_rate": { grid: [0.1, 0.2, 0.3, 0.4] }, seed: { repeat: 3 } },
    stopping: ASHA,
  },
  TPE: { limits: { trials: 25 }, search: { method: "tpe", startup_trials: 5 } },
};

for (const [name, spec] of Object.entries(SWEEPS)) {
  test(`${name}: no trial is lost or counted twice, and a journal gives the same decisions, in any schedule`, (t) => {
    t.diagnostic(`SAF_TEST_SEED=${SEED}`);
    const space = spaceFrom(spec);
    let crashes = 0;
    for (let i = 0; i < SCHEDULES; i++) crashes += played([space], SEED + i).crashes;
    t.diagnostic(`${crashes} crashes in ${SCHEDULES} schedules`);
    assert.ok(crashes > 0);
  });
}

test("a spec that grows while its sweep goes on only adds, in any schedule", (t) => {
  t.diagnostic(`SAF_TEST_SEED=${SEED}`);
  const specs = [
    [12, 20, 31].map((trials) => ({ limits: { trials }, stopping: ASHA })),
    [2, 3, 5].map((count) => ({
      parameters: {
        "train.learning_rate": { grid: [0.3, 0.1, 0.2, 0.5, 0.4].slice(0, count) },
        seed: { repeat: count },
      },
      stopping: { ...ASHA, method: "median" },
    })),
  ];
  for (const [counts, grown] of [
    [31, specs[0] ?? []],
    [25, specs[1] ?? []],
  ] as const) {
    const spaces = grown.map((spec) => spaceFrom(spec));
    for (let i = 0; i < SCHEDULES; i++) {
      const { rows } = played(spaces, SEED + i);
      assert.equal(rows.length, counts);
    }
  }
});

test("without failures every schedule gives the rows of the calm one", (t) => {
  t.diagnostic(`SAF_TEST_SEED=${SEED}`);
  const space = spaceFrom(listOf(20));
  const draw = randomNumbers(SEED);
  const results = (order: Draw): unknown[] => {
    const book = new SweepBook(space, CODE);
    book.open(0);
    const inHand: Segment[] = [];
    for (;;) {
      const taken = inHand.length < 4 ? book.take(1) : undefined;
      if (taken?.kind === "begin") inHand.push(taken.segment);
      else if (inHand.length === 0)
        return book.best(20).map(({ trial, metrics, weights }) => [trial, metrics, weights]);
      if (taken?.kind === "begin" && order(2) === 0) continue;
      const place = order(inHand.length);
      const segment = at(inHand, place);
      inHand.splice(place, 1);
      if (order(5) === 0) book.returned(segment);
      else book.ended(segment, outcomeOf(segment, { clean: qualityOf(segment) }), 1);
    }
  };
  const calm = results((limit) => limit - 1);
  for (let i = 0; i < 20; i++) assert.deepEqual(results(draw), calm);
});
