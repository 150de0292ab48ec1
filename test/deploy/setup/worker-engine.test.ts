import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { provisionEngine } from "../../../deploy/setup/engine.js";
import { engineForWorker, needsNewProcess } from "../../../deploy/setup/worker-engine.js";
import { saf } from "../../support/saf.js";

const LIMIT = { timeout: 120_000 };
const progress = (): void => undefined;

/** A cache in which `saf setup --engine wasm` has run. */
async function setUpWasm(t: TestContext): Promise<string> {
  const cacheDir = mkdtempSync(join(tmpdir(), "saf-engine-"));
  t.after(() => rmSync(cacheDir, { recursive: true, force: true }));
  await provisionEngine({ cacheDir, progress, force: "wasm" });
  return cacheDir;
}

test(
  "a worker takes the engine that saf setup chose, also a forced one, unless another one is named",
  LIMIT,
  async (t) => {
    const cacheDir = await setUpWasm(t);
    const env: NodeJS.ProcessEnv = { ...process.env };
    delete env["SAF_ENGINE"];
    const record = await readFile(join(cacheDir, "engine.json"), "utf8");

    const chosen = await engineForWorker(undefined, { cacheDir, env, progress });
    assert.deepEqual([chosen.engine, chosen.why], ["wasm", "chosen by saf setup"]);
    const named = await engineForWorker("tensorflow", { cacheDir, env, progress });
    assert.deepEqual([named.engine, named.environment], ["tensorflow", {}]);
    // Whoever asks changes nothing for the others.
    assert.equal(await readFile(join(cacheDir, "engine.json"), "utf8"), record);
  },
);

test("only what the loader reads at the start needs another process", () => {
  assert.ok(needsNewProcess({ LD_LIBRARY_PATH: "/cuda" }, {}));
  assert.ok(!needsNewProcess({ LD_LIBRARY_PATH: "/cuda" }, { LD_LIBRARY_PATH: "/cuda" }));
  assert.ok(!needsNewProcess({ XLA_FLAGS: "--a", SAF_GPU_NAME: "H200" }, {}));
});

test(
  "a worker whose libraries lie elsewhere starts itself again, and its end is the second one's",
  LIMIT,
  async (t) => {
    const cacheDir = await setUpWasm(t);
    const file = join(cacheDir, "engine.json");
    const record = JSON.parse(await readFile(file, "utf8")) as {
      choice: { environment: Record<string, string> };
    };
    record.choice.environment = { LD_LIBRARY_PATH: cacheDir };
    await writeFile(file, JSON.stringify(record));

    const nowhere = ["--nats-url", "nats://127.0.0.1:1", "--nats-timeout", "1"];
    const { code, stderr } = await saf(["worker", "--cache-dir", cacheDir, ...nowhere], {
      env: { SAF_ENGINE: undefined, LD_LIBRARY_PATH: undefined },
    });
    assert.equal(code, 5, stderr);
    assert.match(stderr, /Engine tfjs-backend-wasm [\d.]+ on cpu, chosen by saf setup/);
    assert.equal(stderr.match(/^saf: Cannot connect to NATS/gm)?.length, 1, stderr);
  },
);
