/** What the history mended, the simulation finds again when the mending is taken out. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { BUGS, simulationWith } from "./bugs.js";
import { outcomeOf, prepare } from "./simulate.js";

before(() => prepare());

for (const { name, seed, what } of BUGS) {
  test(`${name} is found: ${what}`, async (t) => {
    const spoilt = await simulationWith(name);
    spoilt.prepare(name);
    const { violation } = await spoilt.outcomeOf(seed);
    assert.ok(violation !== undefined, `seed ${seed} shows nothing`);
    t.diagnostic(`seed ${seed}: ${violation.slice(0, 200)}`);
    assert.equal((await outcomeOf(seed)).violation, undefined);
  });
}
