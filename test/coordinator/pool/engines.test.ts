import assert from "node:assert/strict";
import { test } from "node:test";
import { enginesOfPool, spoils, withEngines } from "../../../coordinator/pool/engines.js";
import { TENSORFLOW, WASM } from "../../support/fingerprints.js";

test("any engine will do for an empty pool, and the same one beside others", () => {
  assert.equal(spoils(WASM, []), undefined);
  assert.equal(spoils({ ...WASM }, [WASM]), undefined);
});

test("another one spoils it, and the words name what differs from the nearest", () => {
  const narrow = { ...TENSORFLOW, cpu: ["x64", "avx2"] };
  assert.equal(
    spoils(narrow, [{ ...TENSORFLOW, version: "TensorFlow 2.20.0" }, TENSORFLOW]),
    "its engine computes other bits than the pool's: a processor without avx512f",
  );
});

test("committed steps decide, and not who happens to be here", () => {
  assert.deepEqual(enginesOfPool([], [WASM, TENSORFLOW]), [WASM, TENSORFLOW]);
  assert.deepEqual(enginesOfPool([TENSORFLOW], [WASM]), [TENSORFLOW]);
});

test("an engine is committed once, and nothing changes where nothing is new", () => {
  const committed = withEngines([], [WASM, { ...WASM }, TENSORFLOW]);
  assert.deepEqual(committed, [WASM, TENSORFLOW]);
  assert.equal(withEngines(committed, [TENSORFLOW]), committed);
});
