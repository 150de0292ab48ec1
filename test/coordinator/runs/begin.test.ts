/** Where a run begins: identity decides before content, and nothing is emptied that was not understood. */
import assert from "node:assert/strict";
import { readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { DiskStorage } from "../../../coordinator/io/run-storage.js";
import { begin } from "../../../coordinator/runs/begin.js";
import type { RunContext } from "../../../coordinator/runs/context.js";
import { type RunSetup, setUp } from "../../../coordinator/runs/setup.js";
import { type Config, configSchema } from "../../../shared/config/run.js";
import { totalSteps } from "../../../shared/core/schedule.js";
import { initialParameters } from "../../../shared/core/layout.js";
import { realClock } from "../../../shared/io/real-clock.js";
import { temporaryDirectory } from "../io/storage-support.js";

const TRAIN = { max_steps: 4, batch_size: 8, slots: 2, learning_rate: 0.1 };
const CONFIG = configSchema.parse({ model: "plain", train: TRAIN });
const OTHER_SHAPES = configSchema.parse({ model: "mrelu-r-m", train: TRAIN });

interface Opened {
  run: RunSetup;
  notes: string[];
}

function open(path: string, config: Config = CONFIG, evaluateOnly = false): Opened {
  const notes: string[] = [];
  const context: Partial<RunContext> = {
    runId: "run",
    config,
    storage: new DiskStorage(path, realClock),
    data: {
      dataset: {
        name: "mnist",
        train: { labels: new Uint8Array(20) },
        test: { labels: new Uint8Array(10) },
      },
      sha256: "0".repeat(64),
      manifest: () => ({ name: "mnist" }),
    },
    evaluateOnly,
    clock: realClock,
    beside: () => undefined,
    surroundings: { findSource: assert.fail, readSource: assert.fail, foreignImages: assert.fail },
    observer: {
      note: (level: string, message: string) => notes.push(`${level}: ${message}`),
      opened: () => undefined,
    } as unknown as RunContext["observer"],
  };
  return { run: setUp(context as RunContext), notes };
}

const LINES = [
  { step: 0, epoch: 0, first: 0, end: 8, samples: 8, blocks: [] },
  { step: 1, epoch: 0, first: 8, end: 16, samples: 8, blocks: [] },
  { step: 2, epoch: 0, first: 16, end: 20, samples: 4, blocks: [] },
  { step: 3, epoch: 1, first: 0, end: 8, samples: 8, blocks: [] },
];
const text = (lines: readonly object[]): string => lines.map((line) => `${JSON.stringify(line)}\n`).join("");

/** A run that was trained to this step. */
async function trained(t: TestContext, step: number): Promise<string> {
  const path = join(await temporaryDirectory(t), "run");
  const { run } = open(path);
  assert.equal(totalSteps(run.plan), 4);
  await run.storage.create();
  const parameters = initialParameters(run.layout, step);
  const velocity = new Float32Array(run.layout.size);
  const { identity } = run;
  const info = { model: "plain", identity, cleanAccuracy: null, best: false };
  await run.checkpoints.write({ step, parameters, velocity }, info);
  await writeFile(join(path, "ledger.jsonl"), text(LINES.slice(0, step)));
  await writeFile(join(path, "config.yaml"), "its own\n");
  return path;
}

const ledgerOf = (path: string): Promise<string> => readFile(join(path, "ledger.jsonl"), "utf8");

async function refusal(path: string, config: Config = CONFIG): Promise<string> {
  const before = await ledgerOf(path);
  const error = await begin(open(path, config).run).then(
    () => assert.fail("the run began"),
    (thrown: Error & { code?: string }) => thrown,
  );
  assert.equal(await ledgerOf(path), before, "the ledger was touched");
  assert.equal(await readFile(join(path, "config.yaml"), "utf8"), "its own\n");
  return `${error.code}: ${error.message}`;
}

test("a directory goes on where its newest checkpoint is", async (t) => {
  const path = await trained(t, 3);
  const { run, notes } = open(path);
  const { state, books } = await begin(run);
  await books?.close();
  assert.equal(state.step, 3);
  assert.deepEqual(notes, ["info: Resuming at step 3 of 4"]);
});

test("weights of other shapes are another run's, not damaged ones", async (t) => {
  assert.match(await refusal(await trained(t, 4), OTHER_SHAPES), /^config: Cannot resume .*other settings/);
});

test("a directory whose checkpoints are all damaged is an error, and stays as it is", async (t) => {
  const path = await trained(t, 3);
  await truncate(join(path, "checkpoints", "step-00000003", "model.safetensors"), 50);
  assert.match(await refusal(path), /^data: Cannot read any checkpoint .*all 1 are damaged/);
  await rm(join(path, "checkpoints", "step-00000003", "state.json"));
  assert.match(await refusal(path), /^data: Cannot read any checkpoint/);
});

test("a finished run whose checkpoints are gone is not begun anew", async (t) => {
  const path = await trained(t, 4);
  await rm(join(path, "checkpoints"), { recursive: true });
  await writeFile(join(path, "result.json"), "{}");
  assert.match(await refusal(path), /^data: Cannot resume .*checkpoints are gone/);
});
