/** One contract for every storage that a run can have. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, describe, test } from "node:test";
import { DiskStorage } from "../../../coordinator/io/run-storage.js";
import type { RunStorage } from "../../../coordinator/runs/storage.js";
import { LAYOUT, stateOf, temporaryDirectory } from "../io/storage-support.js";
import { MemoryStorage } from "./memory-storage.js";
import { realClock } from "../../../shared/io/real-clock.js";

const never = (problem: string | Error): never => assert.fail(String(problem));
const INFO = { model: "m", identity: "i", best: false };

const STORAGES: Record<string, (t: TestContext) => Promise<RunStorage>> = {
  "on a disk": async (t) => new DiskStorage(join(await temporaryDirectory(t), "run"), realClock),
  "in memory": async () => new MemoryStorage("/run"),
};

for (const [where, make] of Object.entries(STORAGES)) {
  describe(`a run's storage ${where}`, () => {
    const created = async (t: TestContext): Promise<RunStorage> => {
      const storage = await make(t);
      await storage.create();
      return storage;
    };

    test("documents are read as they were written last, and a missing one is an error", async (t) => {
      const storage = await created(t);
      await assert.rejects(storage.readJson("status.json"), { code: "data" });
      await storage.writeJson("status.json", { step: 1 });
      await storage.writeJson("status.json", { step: 2, left: [null, "ü"] });
      await storage.writeText("config.yaml", () => "a: 1\n");
      assert.deepEqual(await storage.readJson("status.json"), { step: 2, left: [null, "ü"] });
      await storage.remove("status.json");
      await storage.remove("status.json");
      await assert.rejects(storage.readJson("status.json"), { code: "data" });
    });

    test("a journal keeps what was appended, goes on where it was, and is cut back", async (t) => {
      const storage = await created(t);
      const name = "eval/results.jsonl";
      assert.deepEqual(await storage.readJournal(name, never), []);
      assert.deepEqual(await storage.trimJournal(name, () => true, never), []);
      for (const steps of [
        [0, 1, 2],
        [3, 4],
      ]) {
        const journal = await storage.openJournal(name, never);
        for (const step of steps) journal.append({ step });
        await journal.flush();
        await journal.close();
      }
      const before = ({ step }: { step: number }): boolean => step < 3;
      assert.deepEqual(await storage.trimJournal(name, before, never), [
        { step: 0 },
        { step: 1 },
        { step: 2 },
      ]);
      assert.deepEqual(await storage.readJournal(name, never), [{ step: 0 }, { step: 1 }, { step: 2 }]);
    });

    test("the newest checkpoint and the best are found again; without one there is none", async (t) => {
      const storage = await created(t);
      const checkpoints = storage.openCheckpoints(LAYOUT, 2);
      assert.equal(await checkpoints.readLatest(never), undefined);
      await assert.rejects(checkpoints.read("best"), { code: "data" });
      await checkpoints.write(stateOf(1), { ...INFO, cleanAccuracy: 0.5, best: true });
      const { bytes } = await checkpoints.write(stateOf(2), { ...INFO, cleanAccuracy: null });
      assert.ok(bytes > 0);
      const latest = await storage.openCheckpoints(LAYOUT, 2).readLatest(never);
      assert.equal(latest?.state.step, 2);
      assert.deepEqual(latest.state.parameters, stateOf(2).parameters);
      assert.equal(latest.description.identity, "i");
      const best = await checkpoints.read("best");
      assert.deepEqual([best.state.step, best.description.clean_accuracy], [1, 0.5]);
    });
  });
}
