import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { subjectMatches } from "../../../shared/core/subject-match.js";

test("patterns match as NATS documents it", () => {
  for (const [pattern, subject, expected] of [
    ["a.b", "a.b", true],
    ["a.b", "a", false],
    ["a.b", "a.b.c", false],
    ["a", "ab", false],
    ["a.*", "a.b", true],
    ["a.*", "a", false],
    ["a.*", "a.b.c", false],
    ["*.b", "a.b", true],
    ["a.*.c", "a.x.c", true],
    ["a.*.c", "a.x.d", false],
    ["a.>", "a.b", true],
    ["a.>", "a.b.c.d", true],
    ["a.>", "a", false],
    [">", "a", true],
    [">", "a.b", true],
    ["*", "a.b", false],
    ["*.>", "a", false],
    ["*.>", "a.b.c", true],
    ["a*", "ab", false],
    ["a*", "a*", true],
  ] as const) {
    assert.equal(subjectMatches(pattern, subject), expected, `${pattern} ~ ${subject}`);
  }
});

test("a subject with some tokens replaced by * matches, and with the tail replaced by > too", () => {
  const token = fc.stringMatching(/^[a-z0-9-]{1,5}$/);
  const tokens = fc.array(token, { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(
      tokens,
      fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
      fc.nat(5),
      (subject, stars, cut) => {
        const pattern = subject.map((name, i) => (stars[i] === true ? "*" : name));
        assert.ok(subjectMatches(pattern.join("."), subject.join(".")));
        const head = pattern.slice(0, Math.min(cut, subject.length - 1));
        assert.ok(subjectMatches([...head, ">"].join("."), subject.join(".")));
        assert.ok(!subjectMatches([...pattern, ">"].join("."), subject.join(".")));
      },
    ),
  );
});
