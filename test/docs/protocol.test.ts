import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BODY_BYTES,
  CHUNK_BYTES,
  CHUNK_KINDS,
  CHUNK_VERSION,
  HEADER_BYTES,
  type ChunkHeader,
  chunkCountOf,
  sealChunk,
} from "../../shared/core/chunk.js";
import { CODECS } from "../../shared/core/codec.js";
import { machineWire } from "../../shared/machine-messages.js";
import { PROTOCOL_VERSION, wire } from "../../shared/messages.js";
import { type Subjects, subjectsOf } from "../../shared/subjects.js";
import { placeOf, readDocument, rowsOf } from "./tables.js";

const text = readDocument("docs/protocol.md");

function rowsBetween(name: string): string[][] {
  const { start, end } = placeOf(text, name);
  return rowsOf(text.slice(start, end));
}

/** A value no other field has, so that a field read from the wrong place is noticed. */
const header: ChunkHeader = {
  kind: "gradient",
  codec: "fp32",
  runHash: "0123456789abcdef",
  term: 1_795_346_416_171,
  step: 0x11223344,
  node: 5,
  attempt: 3,
  shard: 7,
  chunk: 1,
  chunkCount: chunkCountOf(BODY_BYTES + 8),
  offset: BODY_BYTES,
  totalBytes: BODY_BYTES + 8,
};

test("the chunk header lies byte for byte as docs/protocol.md says", () => {
  const frame = new Uint8Array(HEADER_BYTES + 8).fill(9, HEADER_BYTES);
  sealChunk(frame, header);
  const view = new DataView(frame.buffer);
  const readers: Record<string, (at: number, bytes: number) => unknown> = {
    text: (at, bytes) => Buffer.from(frame.buffer, at, bytes).toString("latin1"),
    hex: (at, bytes) => Buffer.from(frame.buffer, at, bytes).toString("hex"),
    u8: (at) => view.getUint8(at),
    u16: (at) => view.getUint16(at, true),
    u32: (at) => view.getUint32(at, true),
    u64: (at) => Number(view.getBigUint64(at, true)),
  };
  const found: Record<string, unknown> = {};
  let next = 0;
  for (const [offset, bytes, type = "", field = ""] of rowsBetween("chunk")) {
    assert.equal(Number(offset), next, `${field} begins where the field before it ends`);
    found[field] = readers[type]?.(Number(offset), Number(bytes));
    next += Number(bytes);
  }
  assert.equal(next, HEADER_BYTES);
  const { checksum, ...fields } = found;
  assert.notEqual(checksum, 0);
  assert.deepEqual(fields, {
    ...header,
    magic: "SAFC",
    version: CHUNK_VERSION,
    kind: CHUNK_KINDS.gradient,
    codec: CODECS.fp32,
    bodyBytes: 8,
  });
});

test("docs/protocol.md states the sizes and versions of the sources", () => {
  assert.ok(text.includes(`at most ${CHUNK_BYTES} bytes`));
  assert.ok(text.includes(`a header of ${HEADER_BYTES} bytes`));
  assert.ok(text.includes(`(${BODY_BYTES} bytes)`));
  assert.ok(text.includes(`Version ${PROTOCOL_VERSION}:`));
  for (const [name, number] of Object.entries(CHUNK_KINDS)) assert.ok(text.includes(`${number} ${name}`));
  for (const [name, number] of Object.entries(CODECS)) assert.ok(text.includes(`${number} ${name}`));
});

test("docs/protocol.md lists every subject and no other", () => {
  const subjects = subjectsOf("pool");
  const documented = rowsBetween("subjects").map(
    ([subject = ""]) => `saf.v1.pool.${subject.slice(1, -1).replace(/<\w+>/g, "x")}`,
  );
  const spoken = (Object.keys(subjects) as (keyof Subjects)[])
    .filter((name) => !name.endsWith("Pattern"))
    .map((name) => {
      const subject = subjects[name] as string | ((...tokens: unknown[]) => string);
      if (typeof subject === "string") return subject;
      if (name === "mateGradient") return subject("x", "x");
      return name === "gradient" || /^parameter/.test(name) ? subject(0, "x") : subject("x");
    });
  assert.deepEqual(documented.sort(), spoken.sort());
});

test("every message that docs/protocol.md names is one of the protocol's", () => {
  const names = rowsBetween("subjects").flatMap(([, , message = ""]) =>
    [...message.matchAll(/`(\w+)`/g)].map((match) => match[1] ?? ""),
  );
  assert.ok(names.length >= 15);
  assert.deepEqual(
    names.filter((name) => !(name in wire || name in machineWire)),
    [],
  );
});

test("docs/protocol.md explains every answer to a push", () => {
  const answers = rowsOf(text.slice(text.indexOf("| status"))).map(([status = ""]) => status);
  const statuses = Object.keys(wire.PushReply.Status).filter((name) => Number.isNaN(Number(name)));
  for (const status of statuses) assert.ok(answers.includes(`\`${status}\``), status);
});
