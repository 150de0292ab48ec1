import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createAccount, createOperator, createUser } from "nkeys.js";
import { hasSecret, redact, redactTexts } from "../../shared/redact.js";

const seedOf = (pair: { getSeed(): Uint8Array }): string => new TextDecoder().decode(pair.getSeed());

test("secrets of every kind are blotted out, and what is around them stays", () => {
  const [user, account, operator] = [createUser(), createAccount(), createOperator()].map(seedOf);
  const jwt = "eyJ0eXAiOiJKV1QifQ.eyJuYW1lIjoidyJ9ZZZZ.c2lnbmF0dXJlLXNpZ25hdHVyZQ";
  for (const [text, clean] of [
    ["dial nats://me:hunter2@host:4222 again", "dial nats://***@host:4222 again"],
    ["tls://s3cr3t@host", "tls://***@host"],
    ["https://u:p@ss@host/x@y", "https://***@host/x@y"],
    ["GET /ws?token=hunter2&run=a", "GET /ws?token=***&run=a"],
    ['{"password":"hunter2","run":"a"}', '{"password":"***","run":"a"}'],
    ['{"msg":"{\\"token\\": \\"hunter2\\"}"}', '{"msg":"{\\"token\\": \\"***\\"}"}'],
    ["  nats_password: x\n  password: hunter2", "  nats_password: x\n  password: ***"],
    ["Authorization: Bearer hunter2hunter2", "Authorization: Bearer ***"],
    [`seed ${user}.`, "seed ***."],
    [`${account} ${operator}`, "*** ***"],
    [`jwt ${jwt} end`, "jwt *** end"],
    ["-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY-----\nx", "***\nx"],
  ] as const) {
    assert.equal(redact(text), clean);
  }
});

test("what is no secret is left as it is", () => {
  for (const text of [
    "Connected to NATS again",
    "nats://127.0.0.1:4222",
    "https://example.org/@scope/package/-/package-1.0.0.tgz",
    "Cannot read the token in /etc/saf/token",
    "worker-1 <someone@example.org>",
    `key ${createUser().getPublicKey()} of the basic attack`,
    "sha256 6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
    '{"level":"info","time":"2026-11-25T03:00:00.000Z","msg":"Lease 7 of worker-1 is overdue"}',
  ])
    assert.equal(redact(text), text);
});

test("redacting twice changes nothing more, and long texts take no time", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const once = redact(text);
      assert.equal(redact(once), once);
    }),
  );
  for (const part of ["a://", "token=", "eyJ", "-----BEGIN PRIVATE KEY-----", "bearer ", "@"]) {
    const began = performance.now();
    redact(part.repeat(20_000));
    assert.ok(performance.now() - began < 2000, part);
  }
});

test("a URL with a user, a password or a token is told from one without", () => {
  for (const url of ["nats://me:p@h", "nats://token@h:4222", "tls://:p@h"]) assert.ok(hasSecret(url), url);
  for (const url of ["nats://h", "nats://h/x@y", "tls://[::1]:4222"]) assert.ok(!hasSecret(url), url);
});

test("of a record every text is redacted", () => {
  const record = { message: "token=hunter2", exit_code: 2, hint: null };
  assert.deepEqual(redactTexts(record), { message: "token=***", exit_code: 2, hint: null });
});
