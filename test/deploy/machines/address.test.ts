import assert from "node:assert/strict";
import { test } from "node:test";
import { addressIn, addressText, placeIn } from "../../../deploy/machines/core/address.js";

test("addresses as people write them", () => {
  for (const [text, host, port] of [
    ["192.168.1.5", "192.168.1.5", undefined],
    ["192.168.1.5:4222", "192.168.1.5", 4222],
    ["lab.example:1", "lab.example", 1],
    ["[fd00::5]:4222", "fd00::5", 4222],
    ["[::1]", "::1", undefined],
    ["fd00::5", "fd00::5", undefined],
    ["::", "::", undefined],
  ] as const)
    assert.deepEqual(placeIn(text), { host, port }, text);
});

test("what is no address is none, and what is incomplete names no server", () => {
  for (const text of [
    "",
    ":",
    "a:",
    "a:0",
    "a:65536",
    "a:1:2x",
    "a b",
    "http://a",
    "[::1",
    "a/24",
    "[::1]:x",
  ])
    assert.equal(placeIn(text), undefined, text);
  assert.equal(addressIn("192.168.1.5"), undefined);
  assert.equal(addressIn("fd00::5"), undefined);
});

test("a written address is read again", () => {
  for (const address of [
    { host: "fd00::5", port: 4222 },
    { host: "a.b", port: 1 },
  ])
    assert.deepEqual(addressIn(addressText(address)), address);
});
