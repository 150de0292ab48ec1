/** What the history mended, the simulation finds when the mending is taken out: here, where few worlds can show it. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { BUGS, changedFiles, simulationWith } from "./bugs.js";
import { drawScenario } from "./scenario.js";
import { outcomeOf, prepare } from "./simulate.js";

const SEEDS = 1000;

before(() => prepare());

for (const { name, shownBy, what } of BUGS) {
  if (shownBy === undefined) continue;
  test(`${name} is found: ${what}`, async (t) => {
    const spoilt = await simulationWith(name);
    spoilt.prepare(name);
    for (let seed = 1; seed <= SEEDS; seed++) {
      if (!shownBy(drawScenario(seed))) continue;
      const { violation } = await spoilt.outcomeOf(seed);
      if (violation === undefined) continue;
      t.diagnostic(`seed ${seed}: ${violation.slice(0, 200)}`);
      assert.equal((await outcomeOf(seed)).violation, undefined);
      return;
    }
    assert.fail(`not in ${SEEDS} seeds`);
  });
}

test("every bug still fits the files that it changes", () => {
  for (const bug of BUGS) assert.doesNotThrow(() => changedFiles(bug), bug.name);
});
