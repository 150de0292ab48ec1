/** The first seeds of the simulation: `npm run simulate` goes on from there. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { Draws } from "./draws.js";
import { drawScenario } from "./scenario.js";
import { explain, prepare } from "./simulate.js";
import { simulate } from "./world.js";

before(() => prepare());

test("a seed decides every event", async () => {
  const draws = new Draws(7, "scenario");
  const seeds = Array.from({ length: 8 }, () => draws.whole(1, 1_000_000));
  const fingerprints = async (): Promise<number[]> => {
    const found: number[] = [];
    for (const seed of seeds) found.push((await simulate(drawScenario(seed))).fingerprint);
    return found;
  };
  const first = await fingerprints();
  seeds.reverse();
  const second = await fingerprints();
  assert.deepEqual(second.reverse(), first);
  assert.ok(new Set(first).size === seeds.length);
});

const SEEDS = 200;

test("the cluster keeps its promises in the first seeds", async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const scenario = drawScenario(seed);
    const { violation } = await simulate(scenario);
    if (violation !== undefined) assert.fail(await explain(scenario));
  }
});
