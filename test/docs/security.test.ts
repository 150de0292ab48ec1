import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { METRICS } from "../../shared/metrics.js";
import { ATTEMPT_NAMES } from "../bars/attempt-names.js";
import { ROLES } from "../../shared/subjects.js";
import { ROOT, readDocument, rowsOf } from "./tables.js";

const policy = readDocument("SECURITY.md");

/** From a heading to the next one. */
function section(heading: string): string {
  const start = policy.indexOf(`\n### ${heading}\n`);
  assert.ok(start >= 0, heading);
  return policy.slice(start, policy.indexOf("\n## ", start + 1));
}

test("every limit of SECURITY.md stands in a file that is there", () => {
  const places = rowsOf(section("Limits that exist")).flatMap(([, , where = ""]) => {
    const [first = "", ...more] = [...where.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "");
    return [first, ...more.map((name) => (name.includes("/") ? name : join(dirname(first), name)))];
  });
  assert.ok(places.length >= 10);
  for (const place of places)
    assert.ok(existsSync(join(ROOT, `${place}.ts`)) || existsSync(join(ROOT, place)), `there is no ${place}`);
});

test("every metric that SECURITY.md speaks of exists", () => {
  const names: string[] = Object.values(METRICS).map(({ name }) => name);
  const spoken = [...policy.matchAll(/`(saf_\w+)`/g)].map((match) => match[1] ?? "");
  assert.ok(spoken.length > 0);
  assert.deepEqual(
    spoken.filter((name) => !names.includes(name)),
    [],
  );
});

test("docs/security.md describes every role", () => {
  const text = readDocument("docs/security.md");
  assert.deepEqual(
    rowsOf(text.slice(text.indexOf("## Roles"), text.indexOf("## Credentials"))).map(([role]) => role),
    [...ROLES],
  );
});

test("docs/security.md says what comes of each attempt of the bar", () => {
  const text = readDocument("docs/security.md");
  const start = text.indexOf("## What a stolen credential does");
  const rows = rowsOf(text.slice(start, text.indexOf("\n## ", start + 1)));
  assert.deepEqual(
    rows.map(([attempt]) => attempt),
    [...ATTEMPT_NAMES],
  );
  assert.ok(rows.every(([, happens = ""]) => happens !== ""));
});
