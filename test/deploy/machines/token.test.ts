import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { type JoinToken, readToken, writeToken } from "../../../deploy/machines/token.js";
import { ClusterError } from "../../../shared/errors.js";
import { machineWire } from "../../../shared/machine-messages.js";
import { writeMessage } from "../../../shared/messages.js";
import { redact } from "../../../shared/redact.js";

const SEED = `SU${"A".repeat(56)}`;
const token: JoinToken = {
  addresses: [
    { host: "192.168.1.5", port: 4222 },
    { host: "fd00::5", port: 4222 },
    { host: "lab.example", port: 65_535 },
  ],
  authority: Uint8Array.from({ length: 32 }, (_, i) => i),
  seed: SEED,
  expiresMs: 1_795_000_000_000,
};
const text = writeToken(token);

/** What a reader is told, and that it is never told the token. */
function wordsOver(damaged: string): string {
  try {
    readToken(damaged);
  } catch (error) {
    assert.ok(error instanceof ClusterError && error.code === "usage", String(error));
    assert.ok(!`${error.message} ${error.hint}`.includes(damaged.slice(12, 40) || "\0"));
    return error.message;
  }
  assert.fail(`taken: ${damaged}`);
}

/** A token whose checksum is right, around anything. */
function sealed(body: Uint8Array): string {
  const checksum = createHash("sha256").update("safjoin1_").update(body).digest().subarray(0, 6);
  return `safjoin1_${Buffer.concat([body, checksum]).toString("base64url")}`;
}

test("what is written is read again, also with the line ends of a terminal in it", () => {
  assert.deepEqual(
    { ...readToken(text), authority: [...readToken(text).authority] },
    { ...token, authority: [...token.authority] },
  );
  assert.match(text, /^safjoin1_[\w-]+$/);
  assert.ok(text.length < 300, `${text.length} characters`);
  const wrapped = ` ${text.match(/.{1,80}/g)?.join("\r\n  ")}\n`;
  assert.deepEqual(readToken(wrapped).addresses, token.addresses);
});

test("a character that is changed, lost, added or swapped anywhere is damage", () => {
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.constantFrom(..."Aa0z-_"), (at, other) => {
      const changed = text.slice(0, at) + other + text.slice(at + 1);
      const lost = text.slice(0, at) + text.slice(at + 1);
      const added = text.slice(0, at) + other + text.slice(at);
      const [one = "", two = ""] = text.slice(at, at + 2);
      const swapped = text.slice(0, at) + two + one + text.slice(at + 2);
      for (const damaged of [changed, lost, added, swapped, text.slice(0, at), text + text.slice(at)])
        if (damaged !== text) assert.match(wordsOver(damaged), /^The token cannot be used: /);
    }),
    { numRuns: 300 },
  );
});

test("each damage has its words", () => {
  assert.match(wordsOver(text.slice(0, -1)), /it is damaged: a part is missing or was changed/);
  assert.match(wordsOver(text.toLowerCase()), /it is damaged/);
  assert.match(wordsOver("safjoin1_"), /characters that no token has/);
  assert.match(wordsOver(`${text}=`), /characters that no token has/);
  assert.match(wordsOver(""), /does not begin with safjoin1_/);
  assert.match(wordsOver(text.slice(1)), /does not begin with/);
  assert.match(wordsOver(text.replace("safjoin1", "safjoin2")), /of a newer release/);
  assert.match(wordsOver(text + "A".repeat(5000)), /too long/);
});

test("a whole token with senseless content is refused", () => {
  const good = {
    addresses: ["a:1"],
    authority: token.authority,
    seed: SEED,
    expires: 1,
  };
  assert.equal(readToken(sealed(writeMessage(machineWire.Token, good))).addresses[0]?.host, "a");
  for (const wrong of [
    { ...good, addresses: [] },
    { ...good, addresses: ["a"] },
    { ...good, addresses: ["a:0"] },
    { ...good, addresses: ["a:1", "b:70000"] },
    { ...good, addresses: Array.from({ length: 33 }, (_, i) => `a:${i + 1}`) },
    { ...good, authority: token.authority.slice(1) },
    { ...good, seed: `SA${SEED.slice(2)}` },
    { ...good, expires: Number.NaN },
  ])
    assert.match(wordsOver(sealed(writeMessage(machineWire.Token, wrong))), /its content makes no sense/);
  assert.match(wordsOver(sealed(Uint8Array.of(0xff, 0xff))), /its content makes no sense/);
});

test("a token that ends up in a log is blotted out", () => {
  assert.equal(redact(`npx saf join ${text} -w 2`), "npx saf join *** -w 2");
});
