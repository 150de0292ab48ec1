import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import protobuf from "protobufjs";
import { z } from "zod";
import { measureSchema } from "../../shared/measures.js";
import { PROTOCOL_FINGERPRINT, PROTOCOL_VERSION } from "../../shared/messages.js";

/** Compiled to dist/test/shared: the source is three folders up. */
const PROTO = new URL("../../../shared/proto/control.proto", import.meta.url);

/** Of fields, numbers and types; comments, order of lines and layout are left out. */
function fingerprintOf(proto: string, measures: object): string {
  const messages = protobuf.parse(proto, { keepCase: true }).root.toJSON();
  const text = JSON.stringify(sorted([messages, measures]));
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}

const proto = readFileSync(PROTO, "utf8");
const measures = z.toJSONSchema(measureSchema, { io: "input" });

test("messages and measures do not change without a decision about the protocol's version", () => {
  const found = fingerprintOf(proto, measures);
  assert.equal(
    found,
    PROTOCOL_FINGERPRINT,
    [
      `The messages (shared/proto/control.proto) or the measures (shared/measures.ts) are not those of version ${PROTOCOL_VERSION}.`,
      "If a program of the last release would misread the new ones or be misread, raise PROTOCOL_VERSION in shared/messages.ts",
      "(once a release is enough); a field that both sides may lack needs no new version.",
      `Then set PROTOCOL_FINGERPRINT there to "${found}".`,
    ].join("\n"),
  );
});

test("the fingerprint sees a field's number, type and name, and no comment", () => {
  const field = "string task_id = 4;";
  assert.ok(proto.includes(field));
  const other = (by: string): boolean =>
    fingerprintOf(proto.replace(field, by), measures) !== PROTOCOL_FINGERPRINT;
  assert.ok(other("string task_id = 44;"));
  assert.ok(other("bytes task_id = 4;"));
  assert.ok(other("string task = 4;"));
  assert.ok(!other(`${field} // another word about it`));
  assert.notEqual(fingerprintOf(proto, { ...measures, title: "changed" }), PROTOCOL_FINGERPRINT);
});
