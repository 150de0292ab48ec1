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
import { hashOf } from "../../../shared/io/hash.js";
import { realClock } from "../../../shared/io/real-clock.js";
import { temporaryDirectory } from "../io/storage-support.js";

const TRAIN = { max_steps: 4, batch_size: 8, slots: 2, learning_rate: 0.1 };
const CONFIG = configSchema.parse({ model: "plain", train: TRAIN });
const OTHER_SHAPES = configSchema.parse({ model: "mrelu-r-m", train: TRAIN });

interface Opened {
  run: RunSetup;
  notes: string[];
}

function open(path: string, config: Config = CONFIG, evaluateOnly = false, origin?: string): Opened {
  const notes: string[] = [];
  const context: Partial<RunContext> = {
    runId: "run",
    config,
    storage: new DiskStorage(path, realClock),
    ...(origin === undefined ? {} : { origin: new DiskStorage(origin, realClock) }),
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

const BLOCKS = [{ slots: [0, 1] }, { slots: [1, 2] }];
const LINES = [
  { step: 0, epoch: 0, first: 0, end: 8, samples: 8, blocks: BLOCKS },
  { step: 1, epoch: 0, first: 8, end: 16, samples: 8, blocks: BLOCKS },
  { step: 2, epoch: 0, first: 16, end: 20, samples: 4, blocks: BLOCKS },
  { step: 3, epoch: 1, first: 0, end: 8, samples: 8, blocks: BLOCKS },
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

test("a run with an origin begins with that one's weights and books, once, and goes on as its own", async (t) => {
  const origin = await trained(t, 3);
  const path = join(await temporaryDirectory(t), "heir");
  const heir = configSchema.parse({ model: "plain", train: { ...TRAIN, learning_rate: 0.2 } });
  const first = open(path, heir, false, origin);
  await first.run.storage.create();
  const { state, books } = await begin(first.run);
  await books?.close();
  assert.deepEqual([state.step, state.parameters], [3, initialParameters(first.run.layout, 3)]);
  assert.equal(await ledgerOf(path), await ledgerOf(origin));
  const weights = hashOf(state.parameters);
  assert.deepEqual(JSON.parse(await readFile(join(path, "origin.json"), "utf8")), {
    ...{ run: "run", step: 3 },
    weights_sha256: weights,
  });
  assert.equal(first.notes.at(-1), "info: Goes on from step 3 of run, with its own settings");
  // What is there is its own by now.
  await rm(origin, { recursive: true });
  const again = open(path, heir, false, origin);
  const found = await begin(again.run);
  await found.books?.close();
  assert.deepEqual([found.state.step, again.notes], [3, ["info: Resuming at step 3 of 4"]]);
});

test("a run whose origin has no weights does not begin", async (t) => {
  const folder = await temporaryDirectory(t);
  const { run } = open(join(folder, "heir"), CONFIG, false, join(folder, "nothing"));
  await run.storage.create();
  await assert.rejects(begin(run), { code: "data", message: /there is no checkpoint in .*nothing/ });
});

test("weights of other shapes are another run's, not damaged ones", async (t) => {
  assert.match(await refusal(await trained(t, 4), OTHER_SHAPES), /^config: Cannot resume .*other settings/);
});

test("a run is prolonged, never shortened: its directory stays as it is", async (t) => {
  const shorter = configSchema.parse({ model: "plain", train: { ...TRAIN, max_steps: 2 } });
  const path = await trained(t, 3);
  assert.match(
    await refusal(path, shorter),
    /^config: Cannot resume .*are those of step 3, .* end at step 2/,
  );
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

test("a ledger that is gone, has a gap or repeats a step is an error on resuming, and stays as it is", async (t) => {
  const [zero, one, two] = LINES;
  const faults: [readonly (object | undefined)[], RegExp][] = [
    [[], /it ends before step 0 of 3/],
    [[zero, one], /it ends before step 2 of 3/],
    [[zero, two], /its record 2 is of step 2, expected step 1/],
    [[zero, one, one, two], /its record 3 is of step 1, expected step 2/],
    [[zero, { ...one, first: 9 }, two], /counts images \[9, 16\) of epoch 0, expected \[8, 16\)/],
    [[zero, { ...one, samples: 7 }, two], /counts 7 images, expected 8/],
    [[zero, { ...one, blocks: [{ slots: [0, 1] }] }, two], /covers 1 slots, expected 2/],
    [[zero, { ...one, blocks: [...BLOCKS, ...BLOCKS] }, two], /a block from slot 0 on, expected slot 1/],
  ];
  const path = await trained(t, 3);
  for (const [lines, reason] of faults) {
    await writeFile(join(path, "ledger.jsonl"), text(lines as object[]));
    assert.match(await refusal(path), /^data: Cannot resume .*does not prove/);
    assert.match(await refusal(path), reason);
  }
  await rm(join(path, "ledger.jsonl"));
  await assert.rejects(begin(open(path).run), { code: "data" });
});

test("a measurement leaves the books alone, whatever is in them", async (t) => {
  const path = await trained(t, 2);
  // A training goes on beside it: its ledger is ahead of its checkpoint.
  await writeFile(join(path, "ledger.jsonl"), text(LINES));
  await writeFile(join(path, "metrics.jsonl"), text(LINES.map(({ step }) => ({ step }))));
  const { books, state } = await begin(open(path, CONFIG, true).run);
  assert.deepEqual([books, state.step], [undefined, 2]);
  assert.equal(await ledgerOf(path), text(LINES));
  assert.equal((await readFile(join(path, "metrics.jsonl"), "utf8")).split("\n").length, 5);
  assert.equal(await readFile(join(path, "config.yaml"), "utf8"), "its own\n");
});
