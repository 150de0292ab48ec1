import assert from "node:assert/strict";
import { test } from "node:test";
import { chosenEngine } from "../../../deploy/cli/chosen-engine.js";
import { computeMsOf } from "../../../shared/config/pool.js";
import { type Config, configSchema } from "../../../shared/config/run.js";

const real: Config = configSchema.parse({});
const emulated: Config = configSchema.parse({ engine: "emulated" });

test("--engine emulated makes each run an emulated one, and a run's own word chooses the engine", () => {
  assert.deepEqual(chosenEngine([real], "emulated"), { configs: [emulated], engine: "emulated" });
  assert.deepEqual(chosenEngine([emulated], undefined), { configs: [emulated], engine: "emulated" });
  assert.deepEqual(chosenEngine([real], "wasm"), { configs: [real], engine: "wasm" });
  assert.deepEqual(chosenEngine([real], undefined), { configs: [real], engine: undefined });
});

test("a real engine for an emulated run is an error, and so are runs of both kinds", () => {
  assert.throws(() => chosenEngine([emulated], "wasm"), { code: "usage", message: /"wasm"/ });
  assert.throws(() => chosenEngine([real, emulated], undefined), { code: "config" });
});

test("a worker's own time comes before that of all, and that before the default", () => {
  assert.equal(computeMsOf(20, "worker-1"), 20);
  assert.equal(computeMsOf("20", "worker-1"), 20);
  assert.equal(computeMsOf("worker-1=250,50", "worker-1"), 250);
  assert.equal(computeMsOf("worker-1=250,50", "worker-2"), 50);
  assert.equal(computeMsOf("10,worker-1=250", "worker-2"), 10);
  assert.equal(computeMsOf("worker-1=250", "worker-2"), 50);
  for (const wrong of ["", "fast", "-1", "1.5", "worker-1=", "50,,60", "W=1", "9999999"])
    assert.equal(computeMsOf(wrong, "worker-1"), undefined, wrong);
});
