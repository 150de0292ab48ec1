import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { DiskStorage } from "../../../coordinator/io/run-storage.js";
import { RunEngines, recordedEngines } from "../../../coordinator/runs/engines.js";
import { type EngineFingerprint, fingerprintId } from "../../../shared/fingerprint.js";
import { realClock } from "../../../shared/io/real-clock.js";
import { TENSORFLOW, WASM } from "../../support/fingerprints.js";
import { temporaryDirectory } from "../io/storage-support.js";

const stepOf = (worker: string, engine: EngineFingerprint) => ({
  blocks: [{ first: 0, count: 1, worker, engine, attempt: 1, ms: 1 }],
});

test("each engine that computed steps is recorded once, with its workers, and kept when the run goes on", async (t) => {
  const storage = new DiskStorage(await temporaryDirectory(t), realClock);
  const engines = await RunEngines.open(storage, true);
  for (const worker of ["worker-2", "worker-1", "worker-2"]) engines.committed(stepOf(worker, TENSORFLOW));
  assert.deepEqual(await recordedEngines(storage), []);
  await engines.flush();
  const first = { id: fingerprintId(TENSORFLOW), ...TENSORFLOW, workers: ["worker-1", "worker-2"] };
  assert.deepEqual(await recordedEngines(storage), [first]);

  const again = await RunEngines.open(storage, false);
  again.committed(stepOf("worker-3", WASM));
  await again.flush();
  const second = { id: fingerprintId(WASM), ...WASM, workers: ["worker-3"] };
  assert.deepEqual(await recordedEngines(storage), [first, second]);
});

test("an engine that commits while another one is written down is written down too", async () => {
  const written: string[][] = [];
  let release = (): void => undefined;
  const storage = {
    readJson: () => Promise.reject(new Error("there is none")),
    async writeJson(_: string, records: unknown) {
      if (written.length === 0) await new Promise<void>((resolve) => (release = resolve));
      written.push((records as { workers: string[] }[]).flatMap(({ workers }) => workers));
    },
  };
  const engines = await RunEngines.open(storage, false);
  engines.committed(stepOf("worker-1", WASM));
  const first = engines.flush();
  await Promise.resolve();
  engines.committed(stepOf("worker-2", WASM));
  const second = engines.flush();
  release();
  await Promise.all([first, second]);
  assert.deepEqual(written, [["worker-1"], ["worker-1", "worker-2"]]);
});

test("a run that begins anew is bound to no engine of before, and neither to what is no record", async (t) => {
  const folder = await temporaryDirectory(t);
  const storage = new DiskStorage(folder, realClock);
  const before = await RunEngines.open(storage, true);
  before.committed(stepOf("worker-1", WASM));
  await before.flush();
  const anew = await RunEngines.open(storage, true);
  anew.committed(stepOf("worker-1", TENSORFLOW));
  await anew.flush();
  assert.deepEqual(
    (await recordedEngines(storage)).map(({ engine }) => engine),
    ["tensorflow"],
  );

  for (const text of ["{}", "[1, null, {}]", '[{"id": "1"', '"engines"']) {
    await writeFile(join(folder, "engines.json"), text);
    assert.deepEqual(await recordedEngines(storage), [], text);
  }
});
