import assert from "node:assert/strict";
import { test } from "node:test";
import { squaredDistance, squaredNorm } from "../../../shared/core/norms.js";

test("norms of vectors worked out by hand", () => {
  assert.equal(squaredNorm(Float32Array.of(3, -4, 12)), 169);
  assert.equal(squaredDistance(Float32Array.of(1, 2, 3), Float32Array.of(4, 6, 15)), 169);
  assert.equal(squaredNorm(new Float32Array()), 0);
});

test("a million small values lose nothing: the sum is kept in double precision", () => {
  // In single precision the sum would stop growing at 16.
  const values = new Float32Array(1_000_000).fill(0.01);
  assert.ok(Math.abs(squaredNorm(values) / (1e6 * Math.fround(0.01) ** 2) - 1) < 1e-9);
});
