import assert from "node:assert/strict";
import { test } from "node:test";
import { at } from "../../../shared/core/at.js";

test("an entry that is there is returned, one that is not is a defect", () => {
  assert.equal(at(["a", "b"], 1), "b");
  assert.equal(at(Float32Array.of(0), 0), 0);
  for (const place of [-1, 2, 0.5]) assert.throws(() => at([1, 2], place), RangeError);
});
