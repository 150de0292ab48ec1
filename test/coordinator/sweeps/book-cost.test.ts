/** What a trial costs the book among ten thousand: the same as among a thousand, in time and in memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SweepBook } from "../../../coordinator/sweeps/book.js";
import type { Segment } from "../../../coordinator/sweeps/segment.js";
import { ASHA, CODE, outcomeOf, spaceFrom } from "./support.js";

const TRIALS = 10_000;
const PART = 1000;
/** Of what is measured on a busy machine. */
const MOST_RATIO = 2;

for (const [name, stopping] of [
  ["no early stopping", undefined],
  ["successive halving", ASHA],
] as const) {
  test(`the last thousand of ${TRIALS} trials cost the book as much as the first, with ${name}`, (t) => {
    const space = spaceFrom({ limits: { trials: TRIALS }, ...(stopping === undefined ? {} : { stopping }) });
    const book = new SweepBook(space, CODE);
    book.open(0);
    const inHand: Segment[] = [];
    const parts: { cpuUs: number; takes: number }[] = [];
    let lines = 0;
    let began = process.cpuUsage();
    let takes = 0;
    for (let time = 1; ; time++) {
      const taken = book.take(time);
      lines += taken.lines.length;
      if (taken.kind === "begin") inHand.push(taken.segment);
      takes++;
      if (inHand.length < 4 && taken.kind === "begin") continue;
      const segment = inHand.shift();
      if (segment === undefined) break;
      lines += book.ended(
        segment,
        outcomeOf(segment, { clean: Math.abs(Math.sin(segment.number * 12.9898)) }),
        time,
      ).length;
      if (takes < PART) continue;
      const { user, system } = process.cpuUsage(began);
      parts.push({ cpuUs: user + system, takes });
      began = process.cpuUsage();
      takes = 0;
    }
    const costs = parts.map(({ cpuUs, takes: count }) => cpuUs / count);
    // The first part also compiles.
    const [first = NaN, last = NaN] = [Math.min(...costs.slice(0, 3)), Math.min(...costs.slice(-3))];
    t.diagnostic(
      `${first.toFixed(0)} µs of CPU a segment at first, ${last.toFixed(0)} at last, ${lines} lines`,
    );
    assert.equal(book.summary().created, TRIALS);
    assert.ok(last / first <= MOST_RATIO, `${(last / first).toFixed(2)} times as much`);
  });
}
