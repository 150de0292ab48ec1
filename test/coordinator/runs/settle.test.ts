import assert from "node:assert/strict";
import { test } from "node:test";
import { settleResults } from "../../../coordinator/runs/settle.js";
import { ClusterError } from "../../../shared/errors.js";
import type { ModelResult } from "../../../shared/results.js";
import { MemoryStorage } from "./memory-storage.js";

/** Check 10 knows more once the other networks are there. */
function resultOf(name: string): ModelResult {
  const checks = [{ number: 10, title: "noise", status: "not run" as const, detail: "not looked at" }];
  return { name, clean_accuracy: 0.5, n: 100, samples_per_second: 1, curves: [], checks, unreliable: [] };
}

/** Written by whoever holds its lock. */
class LockedStorage extends MemoryStorage {
  isHeld = false;
  isForeign = false;
  writes = 0;

  override async create(): Promise<void> {
    if (this.isForeign) throw new ClusterError("dependency", "another process writes it");
    this.isHeld = true;
  }

  override async release(): Promise<void> {
    this.isHeld = false;
  }

  override async writeJson(name: string, value: unknown): Promise<void> {
    assert.ok(this.isHeld, `${this.path}/${name} is written without its lock`);
    this.writes++;
    await super.writeJson(name, value);
  }
}

test("what networks say about each other is written under each directory's lock, which is given back", async () => {
  const [one, other] = [new LockedStorage("runs/one"), new LockedStorage("runs/other")];
  const measured = [
    { dataset: "mnist", result: resultOf("mrelu-r"), storage: one },
    { dataset: "mnist", result: resultOf("rbf-r"), storage: other },
  ];
  const told: string[] = [];
  await settleResults(measured, (message) => told.push(message));
  assert.deepEqual([one.writes, other.writes, one.isHeld, other.isHeld], [1, 1, false, false]);
  assert.deepEqual(told, []);
});

test("a directory that another process writes by now keeps its result, and the list has its own", async () => {
  const [one, other] = [new LockedStorage("runs/one"), new LockedStorage("runs/other")];
  other.isForeign = true;
  const told: string[] = [];
  const results = await settleResults(
    [
      { dataset: "mnist", result: resultOf("mrelu-r"), storage: one },
      { dataset: "mnist", result: resultOf("rbf-r"), storage: other },
    ],
    (message) => told.push(message),
  );
  assert.deepEqual([one.writes, other.writes], [1, 0]);
  assert.match(told.join(), /not in runs\/other: another process writes it/);
  assert.ok(results.every(({ checks }) => checks?.[0]?.detail !== "not looked at"));
});
