import assert from "node:assert/strict";
import { test } from "node:test";
import { fnv } from "../../../shared/core/fnv.js";
import { randomNumbers } from "../../support/draws.js";

test("texts hash as Fowler, Noll and Vo published it, 64 bits of FNV-1a", () => {
  assert.equal(fnv(""), "cbf29ce484222325");
  assert.equal(fnv("a"), "af63dc4c8601ec8c");
  assert.equal(fnv("foobar"), "85944171f73967e8");
});

test("halves come to what whole numbers of 64 bits come to", () => {
  const random = randomNumbers(11);
  for (let round = 0; round < 200; round++) {
    const text = Array.from({ length: random(60) }, () => String.fromCodePoint(1 + random(0x2fff))).join("");
    let expected = 0xcbf29ce484222325n;
    for (const byte of new TextEncoder().encode(text))
      expected = BigInt.asUintN(64, (expected ^ BigInt(byte)) * 0x100000001b3n);
    assert.equal(fnv(text), expected.toString(16).padStart(16, "0"), JSON.stringify(text));
  }
});
