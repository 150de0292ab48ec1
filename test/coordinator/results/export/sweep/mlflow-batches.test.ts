import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BATCH_LIMITS, batchesOf } from "../../../../../coordinator/results/export/sweep/mlflow-batches.js";

const pairs = (count: number, value = "x"): { key: string; value: string }[] =>
  Array.from({ length: count }, (_, i) => ({ key: `key-${i}`, value }));
const metrics = (count: number): { key: string; value: number; timestamp: number; step: number }[] =>
  Array.from({ length: count }, (_, i) => ({
    key: "loss",
    value: i / 7,
    timestamp: 1_795_515_300_000,
    step: i,
  }));

test("a small run is one batch, and nothing is none", () => {
  const all = { params: pairs(3), metrics: metrics(5), tags: pairs(2) };
  assert.deepEqual(batchesOf(all), [all]);
  assert.deepEqual(batchesOf({ params: [], metrics: [], tags: [] }), []);
});

test("whatever is sent, batches hold all of it in its order and keep MLflow's limits", () => {
  const count = fc.integer({ min: 0, max: 2500 });
  const length = fc.constantFrom(1, 100, 6000);
  fc.assert(
    fc.property(count, count, count, length, (paramCount, metricCount, tagCount, characters) => {
      const all = {
        params: pairs(paramCount % 400, "é".repeat(characters)),
        metrics: metrics(metricCount),
        tags: pairs(tagCount % 400, "x".repeat(characters)),
      };
      const batches = batchesOf(all);
      assert.deepEqual(
        batches.flatMap(({ params }) => params),
        all.params,
      );
      assert.deepEqual(
        batches.flatMap((batch) => batch.metrics),
        all.metrics,
      );
      assert.deepEqual(
        batches.flatMap(({ tags }) => tags),
        all.tags,
      );
      for (const { params, metrics: some, tags } of batches) {
        assert.ok(params.length <= BATCH_LIMITS.params && tags.length <= BATCH_LIMITS.tags);
        assert.ok(params.length + some.length + tags.length <= BATCH_LIMITS.entries);
        const body = JSON.stringify({ run_id: "0".repeat(32), params, metrics: some, tags });
        assert.ok(Buffer.byteLength(body) <= BATCH_LIMITS.bytes);
      }
    }),
    { numRuns: 30 },
  );
});
