/** An evaluation takes a copy of another submission's weights, and nothing else of it. */
import assert from "node:assert/strict";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parse, stringify } from "yaml";
import { Checkpoints } from "../../../coordinator/io/checkpoints.js";
import { RunDirectory } from "../../../coordinator/io/run-directory.js";
import { takeWeights } from "../../../coordinator/io/submitted-weights.js";
import { StatesOnDisk } from "../../../coordinator/io/trial-states.js";
import { IMPORTED } from "../../../coordinator/runs/storage.js";
import { type Config, configSchema } from "../../../shared/config/run.js";
import { initialParameters } from "../../../shared/core/layout.js";
import { layoutOf } from "../../../shared/networks/network.js";
import type { CheckpointState } from "../../../shared/records/checkpoint.js";
import { resolveRun } from "../../../shared/resolve.js";
import { Played, outcomeOf, spaceFrom } from "../sweeps/support.js";
import { temporaryDirectory } from "./storage-support.js";

const CONFIG = configSchema.parse({
  name: "pair",
  model: "plain",
  evaluate: { images: 100, clean_images: 50 },
});
const LAYOUT = layoutOf(resolveRun(CONFIG).network);
const PARAMETERS = initialParameters(LAYOUT, 7);
const STATE = { step: 12, parameters: PARAMETERS, velocity: new Float32Array(LAYOUT.size) };

async function trainedRun(t: TestContext): Promise<string> {
  const queue = await temporaryDirectory(t);
  const run = new RunDirectory(join(queue, "pair"));
  await run.create();
  await run.writeText("config.yaml", () => stringify(CONFIG));
  const info = { model: "plain", identity: "its own", cleanAccuracy: null, best: false };
  await new Checkpoints(run.checkpoints, LAYOUT, 3).write(STATE, info);
  return queue;
}

const take = (queue: string, order: object): Promise<Config> =>
  takeWeights(queue, {
    ...{ folder: join(queue, "mine"), id: "mine" },
    order: { of: "pair", evaluate: {}, ...order },
  });

async function kept(queue: string): Promise<{ parameters: Float32Array; identity: string; step: number }> {
  const { checkpoints } = new RunDirectory(join(queue, "mine"));
  const found = await new Checkpoints(checkpoints, LAYOUT, 1).readLatest(() => undefined);
  assert.ok(found);
  return { ...found.state, identity: found.description.identity };
}

test("a run's newest weights are copied, and measured by its settings with those of the order over them", async (t) => {
  const queue = await trainedRun(t);
  const before = await readdir(join(queue, "pair"));
  const config = await take(queue, { evaluate: { images: 7, clean_images: null, kinds: ["clean"] } });
  const usual = configSchema.parse({}).evaluate.clean_images;
  assert.deepEqual(
    [config.name, config.model, config.evaluate.images, config.evaluate.clean_images, config.evaluate.kinds],
    ["mine", "plain", 7, usual, ["clean"]],
  );
  const { parameters, identity } = await kept(queue);
  assert.deepEqual([parameters, identity], [PARAMETERS, IMPORTED]);
  assert.deepEqual(
    parse(await readFile(join(queue, "mine", "config.yaml"), "utf8")),
    JSON.parse(JSON.stringify(config)),
  );
  assert.deepEqual(await readdir(join(queue, "pair")), before);
  // Again, after a restart: the copy counts, whatever became of the run.
  await writeFile(join(queue, "pair", "config.yaml"), "model: rbf\n");
  assert.deepEqual(await take(queue, {}), config);
});

test("a trial's weights are those that its sweep keeps", async (t) => {
  const queue = await temporaryDirectory(t);
  const folder = join(queue, "rates");
  await mkdir(folder);
  const space = spaceFrom({ limits: { trials: 2 } });
  const played = new Played(space);
  played.toTheEnd((segment) => outcomeOf(segment, { clean: 0.9 }));
  await writeFile(join(folder, "sweep.yaml"), stringify({ ...space.spec, base: space.settings }));
  await writeFile(
    join(folder, "sweep.jsonl"),
    played.lines.map((line) => `${JSON.stringify(line)}\n`).join(""),
  );
  const [first, second] = played.book.rows();
  assert.ok(first !== undefined && second !== undefined);
  const states = await StatesOnDisk.open(folder);
  const description = { model: "plain", step: 12 } as CheckpointState;
  await states.keepWeights(first.trial, { state: STATE, description }, LAYOUT);
  const config = await take(queue, { of: "rates", trial: first.trial.slice(0, 8) });
  assert.equal(config.train.learning_rate, first.values["train.learning_rate"]);
  assert.deepEqual((await kept(queue)).parameters, PARAMETERS);
  const other = (order: object): Promise<Config> =>
    takeWeights(queue, {
      folder: join(queue, "other"),
      id: "other",
      order: { of: "rates", evaluate: {}, ...order },
    });
  await assert.rejects(other({ trial: second.trial }), {
    code: "data",
    message: /keeps no weights of trial/,
  });
  await assert.rejects(other({ trial: "ffffffff" }), { code: "data", message: /has no trial ffffffff/ });
  await assert.rejects(other({}), { code: "config", message: /say which trial's weights/ });
});

test("what has no weights, or none that were asked for so, is named", async (t) => {
  const queue = await trainedRun(t);
  await assert.rejects(take(queue, { of: "gone" }), {
    code: "data",
    message: /nothing was trained there yet/,
  });
  await assert.rejects(take(queue, { trial: "3fa9" }), { code: "config", message: /pair is no sweep/ });
  await assert.rejects(take(queue, { evaluate: { images: -3 } }), {
    code: "config",
    message: /evaluate\.images/,
  });
  await mkdir(join(queue, "early", "checkpoints"), { recursive: true });
  await writeFile(join(queue, "early", "config.yaml"), stringify(CONFIG));
  await assert.rejects(take(queue, { of: "early" }), { code: "data", message: /has no checkpoint yet/ });
});
