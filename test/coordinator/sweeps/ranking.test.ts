import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { behindOf, fieldOf, standingsOf } from "../../../coordinator/results/sweep/standings.js";
import { Played, failure, listOf, outcomeOf, spaceFrom } from "./support.js";

const STOPPING = { method: "median", first_samples: 640, factor: 3, min_trials: 2 };

test("while a sweep goes on its trials stand in the order that the results give them", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ clean: fc.integer({ min: 0, max: 5 }), fails: fc.boolean() }), {
        minLength: 2,
        maxLength: 12,
      }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 0, max: 5 }),
      (qualities, most, least) => {
        const constraints = [`clean >= ${least / 10}`];
        const space = spaceFrom({ ...listOf(qualities.length), stopping: STOPPING, constraints });
        const played = new Played(space);
        for (let i = 0; i < most; i++) {
          const segment = played.take();
          if (segment === undefined) break;
          const { clean = 0, fails = false } = qualities[segment.number] ?? {};
          const isLost = fails && segment.rung === 1;
          played.end(segment, isLost ? failure("diverged") : outcomeOf(segment, { clean: clean / 10 }));
        }
        const { objectives } = space;
        const results = { rows: played.book.rows(), constraints: space.constraints };
        const measured = { ...results, rows: results.rows.filter(({ rungs }) => rungs.length > 0) };
        const field = fieldOf(measured);
        const ranked = [
          ...standingsOf(field.contenders, objectives),
          ...behindOf(measured, field, objectives),
        ];
        assert.deepEqual(
          played.book.best(50).map(({ number }) => number),
          ranked.map(({ best }) => best.number),
        );
      },
    ),
    { numRuns: 200 },
  );
});

test("a trial that was stopped early stands behind those that are done, also where none of them meets a constraint", () => {
  const space = spaceFrom({
    ...listOf(9),
    stopping: { ...STOPPING, method: "asha" },
    constraints: ["clean >= 12 %"],
  });
  const played = new Played(space);
  played.toTheEnd((segment) => outcomeOf(segment, { clean: segment.last ? 0.05 : segment.number / 100 }));
  const [first, ...others] = played.book.best(9);
  assert.equal(first?.state, "done");
  assert.ok(others.length > 0);
});
