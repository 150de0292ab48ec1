import assert from "node:assert/strict";
import { test } from "node:test";
import { FarWorkers } from "../../../coordinator/pool/far-workers.js";

test("parameters go out as bytes while a member is on another machine, and no longer", () => {
  const far = new FarWorkers();
  const members = (...ids: string[]): ReadonlyMap<string, unknown> => new Map(ids.map((id) => [id, {}]));
  far.seated("near", false);
  far.seated("far", true);
  assert.ok(!far.isAmong(members("near")));
  assert.ok(far.isAmong(members("near", "far")));
  // A worker of that name joins again, from this machine now.
  far.seated("far", false);
  assert.ok(!far.isAmong(members("near", "far")));
});
