import assert from "node:assert/strict";
import { test } from "node:test";
import { lineageOf, unmeasured } from "../../../coordinator/sweeps/lineage.js";
import type { Segment } from "../../../coordinator/sweeps/segment.js";
import type { TrialRow } from "../../../shared/records/sweep-line.js";
import { ASHA, BATCH, CODE, Played, outcomeOf, spaceFrom } from "./support.js";

/** A population whose members meet at each rung; who is good there changes, so heirs become parents. */
function grown(): { played: Played; space: ReturnType<typeof spaceFrom> } {
  const stopping = { ...ASHA, factor: 2, method: "population", exploit: 0.5 };
  const space = spaceFrom({ limits: { trials: 4 }, stopping });
  const played = new Played(space);
  for (;;) {
    const meeting: Segment[] = [];
    for (let one = played.take(); one !== undefined && meeting.push(one) < 4;) one = played.take();
    if (meeting.length === 0) return { played, space };
    for (const one of meeting)
      played.end(one, outcomeOf(one, { clean: ((7 * one.number + 5 * one.rung) % 11) / 100 }));
  }
}

const depthOf = (rows: readonly TrialRow[], { parent }: TrialRow): number =>
  parent === undefined ? 0 : 1 + depthOf(rows, rows.find(({ trial }) => trial === parent.trial) as TrialRow);

test("a trial's lineage begins with one that has its seed's weights, and each goes to the rung of the next", () => {
  const { played, space } = grown();
  const rows = played.book.rows();
  const deepest = rows
    .filter(({ rungs }) => rungs.length > 0)
    .sort((a, b) => depthOf(rows, b) - depthOf(rows, a))[0];
  assert.ok(deepest !== undefined && depthOf(rows, deepest) >= 2, "no heir became a parent");
  const stages = lineageOf({ space, book: played.book, code: CODE }, deepest);
  assert.equal(stages.length, depthOf(rows, deepest) + 1);
  const rowOf = (trial: string): TrialRow => played.book.row(trial) as TrialRow;
  assert.equal(rowOf(stages[0]?.trial ?? "").parent, undefined);
  for (const [i, { trial, rung, config, weights }] of stages.entries()) {
    const row = rowOf(trial);
    const heir = stages[i + 1];
    const end = heir === undefined ? row.rungs.at(-1) : rowOf(heir.trial).parent;
    assert.deepEqual([rung, weights], [end?.rung, end?.weights]);
    assert.equal(config.train.max_steps, Math.min(270, 10 * 2 ** rung));
    assert.equal(config.train.learning_rate, row.values["train.learning_rate"]);
    const least = unmeasured(config);
    assert.deepEqual(least.train, config.train);
    assert.equal(least.evaluate.clean_images, 10);
  }
});

test("a trial that took nothing over is a lineage by itself; one without weights has none", () => {
  const { played, space } = grown();
  const past = { space, book: played.book, code: CODE };
  const first = played.book.rows().find(({ parent, rungs }) => parent === undefined && rungs.length > 0);
  assert.ok(first);
  assert.deepEqual(
    lineageOf(past, first).map(({ trial }) => trial),
    [first.trial],
  );
  const bare = { ...first, rungs: [] };
  assert.throws(() => lineageOf(past, bare), { code: "usage", message: /has no weights yet/ });
  const orphan = { ...first, parent: { trial: "gone", rung: 0, weights: "" } };
  assert.throws(() => lineageOf(past, orphan), { code: "data", message: /which the journal does not have/ });
  assert.equal(first.samples % BATCH, 0);
});
