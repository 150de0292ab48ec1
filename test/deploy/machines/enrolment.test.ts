import assert from "node:assert/strict";
import { test } from "node:test";
import { MOST_ENROLLED, MOST_KEYS_A_MACHINE, enrol } from "../../../deploy/machines/core/enrolment.js";
import { isWorkerName } from "../../../shared/subjects.js";

const PROTOCOL = 3;
const keyOf = (n: number): string =>
  `U${String(n)
    .padStart(55, "A")
    .replace(/[0189]/g, (digit) => "BCDE"["0189".indexOf(digit)] ?? "")}`;
const ask = (host: string, keys: string[], protocol = PROTOCOL) => ({ host, keys, protocol });

test("each key gets a name from its machine's; a machine that comes again is who it was", () => {
  const first = enrol([], new Set(), ask("Lab-PC.example.org", [keyOf(2), keyOf(3)]), PROTOCOL);
  assert.ok(first.accepted);
  assert.deepEqual(first.names, ["lab-pc-1", "lab-pc-2"]);
  const again = enrol(first.added, new Set(), ask("another-name", [keyOf(3), keyOf(4)]), PROTOCOL);
  assert.ok(again.accepted);
  assert.deepEqual(again.names, ["lab-pc-2", "another-name-1"]);
  assert.deepEqual(again.added, [{ name: "another-name-1", key: keyOf(4) }]);
});

test("two machines of one name, and one called as the local workers, share no name", () => {
  const taken = new Set(["worker-1", "worker-2"]);
  const first = enrol([], taken, ask("worker", [keyOf(2)]), PROTOCOL);
  assert.ok(first.accepted);
  const second = enrol(first.added, taken, ask("worker", [keyOf(3)]), PROTOCOL);
  assert.ok(second.accepted);
  assert.deepEqual([...first.names, ...second.names], ["worker-3", "worker-4"]);
});

test("whatever a machine is called, its workers have names that NATS takes", () => {
  for (const host of ["", "...", "Ünïcode", "a".repeat(300), "x_y z", "-", "localhost\n", "saf.v1.>"]) {
    const verdict = enrol([], new Set(), ask(host, [keyOf(2)]), PROTOCOL);
    assert.ok(verdict.accepted);
    assert.ok(verdict.names.every(isWorkerName), verdict.names.join());
  }
});

test("another protocol, no keys, too many, the same twice, or none of NATS are refused in words", () => {
  const reasonOf = (keys: string[], protocol = PROTOCOL): string => {
    const verdict = enrol([], new Set(), ask("a", keys, protocol), PROTOCOL);
    return verdict.accepted ? "" : verdict.reason;
  };
  assert.match(reasonOf([keyOf(2)], 2), /speaks protocol version 2, this pool 3: install the same release/);
  const many = Array.from({ length: MOST_KEYS_A_MACHINE + 1 }, (_, i) => keyOf(i));
  for (const keys of [[], many, [keyOf(2), keyOf(2)]]) assert.match(reasonOf(keys), /1 to 256 can come/);
  for (const key of ["", "U", keyOf(2).toLowerCase(), `SU${"A".repeat(56)}`, `A${keyOf(2).slice(1)}`])
    assert.match(reasonOf([key]), /no public user keys/);
});

test("a pool has room for so many, whoever has a token", () => {
  const known = Array.from({ length: MOST_ENROLLED }, (_, i) => ({ name: `a-${i + 1}`, key: keyOf(i) }));
  const verdict = enrol(known, new Set(), ask("a", [keyOf(MOST_ENROLLED + 5)]), PROTOCOL);
  assert.ok(!verdict.accepted && /room for 1024/.test(verdict.reason));
  assert.ok(enrol(known, new Set(), ask("a", [keyOf(5)]), PROTOCOL).accepted);
});
