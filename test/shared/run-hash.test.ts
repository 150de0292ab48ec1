import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { recipeOf, runHashOf } from "../../shared/run-hash.js";

test("the hash is FNV-1a of 64 bits: published answers", () => {
  assert.equal(runHashOf(""), "cbf29ce484222325");
  assert.equal(runHashOf("a"), "af63dc4c8601ec8c");
  assert.equal(runHashOf("foobar"), "85944171f73967e8");
});

test("any run id gives 16 hex digits", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (id) => assert.match(runHashOf(id), /^[0-9a-f]{16}$/)),
  );
});

test("run ids that differ in one character differ in their hash", () => {
  const hashes = new Set(
    Array.from({ length: 5000 }, (_, i) => runHashOf(`20261122T101500Z-mrelu-r-m-${i}`)),
  );
  assert.equal(hashes.size, 5000);
});

test("a recipe changes with the configuration and with any part of the images, and with nothing else", () => {
  const spec = {
    runId: "a-run",
    configJson: '{"seed":1}',
    data: { train: [{ sha256: "aa" }, { sha256: "bb" }], test: [{ sha256: "cc" }] },
  };
  const recipe = recipeOf(spec);
  assert.equal(recipeOf({ ...spec, runId: "another-run" }), recipe);
  for (const change of [
    { configJson: '{"seed":2}' },
    { data: { ...spec.data, test: [{ sha256: "dd" }] } },
    { data: { ...spec.data, train: [{ sha256: "bb" }, { sha256: "aa" }] } },
    { data: { train: [{ sha256: "aa" }], test: [{ sha256: "bb" }, { sha256: "cc" }] } },
  ])
    assert.notEqual(recipeOf({ ...spec, ...change }), recipe);
});
