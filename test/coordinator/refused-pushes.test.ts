import assert from "node:assert/strict";
import { test } from "node:test";
import { RefusedPushes } from "../../coordinator/refused-pushes.js";
import type { ChunkHeader } from "../../shared/core/chunk.js";

const header = (change: Partial<ChunkHeader> = {}): ChunkHeader => ({
  ...{ kind: "gradient", codec: "fp32", runHash: "00", term: 1, step: 4, node: 1, attempt: 1, shard: 0 },
  ...{ chunk: 0, chunkCount: 28, offset: 0, totalBytes: 1 },
  ...change,
});

test("a push of which every chunk is refused is told once a reason", () => {
  const refused = new RefusedPushes();
  const told = Array.from({ length: 28 }, (_, chunk) =>
    refused.isFirst("worker-1", header({ chunk }), "nonfinite"),
  );
  assert.deepEqual(
    told.map((isFirst, chunk) => (isFirst ? chunk : -1)).filter((chunk) => chunk >= 0),
    [0],
  );
  assert.equal(refused.isFirst("worker-1", header(), "size"), true);
  assert.equal(refused.isFirst("worker-1", header(), "size"), false);
});

test("another worker, attempt, step or run is another push", () => {
  const refused = new RefusedPushes();
  assert.equal(refused.isFirst("worker-1", header(), "nonfinite"), true);
  assert.equal(refused.isFirst("worker-2", header(), "nonfinite"), true);
  for (const change of [
    { attempt: 2 },
    { step: 5 },
    { node: 2 },
    { runHash: "01" },
    { kind: "state" as const },
  ])
    assert.equal(refused.isFirst("worker-1", header(change), "nonfinite"), true, JSON.stringify(change));
});
