import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { editDistance, suggest } from "../../../shared/core/suggest.js";

const keys = ["epochs", "batch_size", "learning_rate", "momentum", "codec"];

test("a mistyped word suggests the word that was meant", () => {
  assert.equal(suggest("learning_rte", keys), "learning_rate");
  assert.equal(suggest("epohcs", keys), "epochs");
  assert.equal(suggest("Batch_Size", keys), "batch_size");
});

test("a word like none suggests nothing", () => {
  assert.equal(suggest("kubernetes", keys), undefined);
  assert.equal(suggest("x", keys), undefined);
  assert.equal(suggest("epochs", []), undefined);
});

test("two letters in the wrong order are one edit", () => {
  assert.equal(editDistance("ab", "ba"), 1);
  assert.equal(editDistance("kitten", "sitting"), 3);
  assert.equal(editDistance("", "abc"), 3);
});

test("edit distance is symmetric, zero only for equal words, and at most the longer length", () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      const distance = editDistance(a, b);
      assert.equal(distance, editDistance(b, a));
      assert.equal(distance === 0, a === b);
      assert.ok(distance <= Math.max(a.length, b.length));
    }),
  );
});
