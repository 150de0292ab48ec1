import assert from "node:assert/strict";
import { test } from "node:test";
import { type ConfigInput, configSchema } from "../../shared/config/run.js";
import { learningRate, stepSamples, totalSteps } from "../../shared/core/schedule.js";
import { ClusterError } from "../../shared/errors.js";
import { actingSettings, resolveRun, stepPlan, trainingImages } from "../../shared/resolve.js";

const parse = (input: ConfigInput): ReturnType<typeof configSchema.parse> => configSchema.parse(input);
const isConfigError = (pattern: RegExp) => (error: unknown) =>
  error instanceof ClusterError && error.code === "config" && pattern.test(error.message);

test("an empty file means the paper's default model with the paper's values", () => {
  const run = resolveRun(parse({}));
  assert.equal(run.name, "mrelu-r-m");
  assert.equal(run.network.name, "mrelu-r-m");
  assert.deepEqual(run.train, {
    epochs: 20,
    batchSize: 100,
    slots: 4,
    stages: [{ rate: 0.001, epochs: 20 }],
    momentum: 0.9,
    weightDecay: 5e-4,
  });
  assert.deepEqual(run.strengths, run.network.strengths);
});

test("what the file says replaces the paper's values, one by one", () => {
  const run = resolveRun(
    parse({
      name: "mine",
      model: "rbf",
      seed: 4_294_967_295,
      train: { epochs: 3, batch_size: 50, slots: 8, learning_rate: 0.5, momentum: 0, weight_decay: 0 },
      evaluate: { strengths: [0, 0.5] },
    }),
  );
  assert.deepEqual(
    [run.name, run.network.name, run.seed, run.strengths],
    ["mine", "rbf", 4_294_967_295, [0, 0.5]],
  );
  assert.deepEqual(run.train, {
    epochs: 3,
    batchSize: 50,
    slots: 8,
    stages: [{ rate: 0.5, epochs: 3 }],
    momentum: 0,
    weightDecay: 0,
  });
});

test("stages are taken as given, and the last one goes on past its end", () => {
  const config = parse({
    train: {
      epochs: 4,
      learning_rate: [
        { rate: 1, epochs: 1 },
        { rate: 0.1, epochs: 1 },
      ],
    },
  });
  const run = resolveRun(config);
  const plan = stepPlan(config, run, 60_000);
  assert.equal(totalSteps(plan), 4 * 720);
  assert.deepEqual(
    [0, 719, 720, 2879].map((step) => learningRate(run.train.stages, plan, step)),
    [1, 1, 0.1, 0.1],
  );
});

test("an unknown model and more slots than images in a step are refused", () => {
  assert.throws(() => resolveRun(parse({ model: "mrelu-x" })), isConfigError(/mrelu-x/));
  assert.throws(
    () => resolveRun(parse({ train: { batch_size: 3, slots: 4 } })),
    isConfigError(/slots \(4\).*batch_size \(3\)/),
  );
  assert.equal(resolveRun(parse({ train: { batch_size: 4, slots: 4 } })).train.slots, 4);
});

test("settings of the network make another network, and a setting for a part that it lacks is refused", () => {
  const network = { channels: [1, 2, 3], activation_width: 2, loss: { power: 3 } };
  const run = resolveRun(parse({ model: "mrelu-a", network, train: { adversarial_rounds: 2 } }));
  assert.deepEqual(run.network.settings, network);
  assert.deepEqual(run.network.augmentation.adversarial, { epsilon: 63.75, share: 0.5, rounds: 2 });
  assert.throws(
    () => resolveRun(parse({ model: "plain", network: { activation_width: 2 } })),
    isConfigError(/^network\.activation_width: only for symmetric activations, which "plain" does not have$/),
  );
});

test("acting settings name of the network only what differs from the paper's", () => {
  const acting = (input: ConfigInput): unknown => actingSettings(parse(input)).network;
  assert.equal(acting({}), undefined);
  assert.equal(acting({ network: {} }), undefined);
  assert.equal(acting({ network: { activation_width: 1, mean: { copies: 6000 } } }), undefined);
  assert.deepEqual(acting({ network: { activation_width: 1, mean: { copies: 6000, noise: 1 } } }), {
    mean: { noise: 1 },
  });
});

test("mean training adds its two pools to the images of an epoch, behind those that are left", () => {
  const count = (input: ConfigInput): number => {
    const config = parse(input);
    return trainingImages(config, resolveRun(config).network, 60_000);
  };
  assert.equal(count({ model: "plain" }), 60_000);
  assert.equal(count({ model: "plain-r-m" }), 72_000); // what the authors' own logs say
  assert.equal(count({ model: "plain", train: { limit_images: 500 } }), 500);
  assert.equal(count({ model: "plain-m", train: { limit_images: 500 } }), 12_500);
  assert.equal(count({ model: "plain-m", network: { mean: { copies: 7, noise: 0 } } }), 60_007);
  assert.equal(count({ model: "plain", train: { limit_images: 1_000_000 } }), 60_000);
});

test("a last step with fewer images than slots is refused, one with as many is not", () => {
  const plan = (limit: number, slots: number): ReturnType<typeof stepPlan> => {
    const config = parse({ model: "plain", train: { limit_images: limit, slots } });
    return stepPlan(config, resolveRun(config), 60_000);
  };
  assert.throws(() => plan(103, 4), isConfigError(/3 images for 4 slots/));
  assert.throws(() => plan(2, 4), isConfigError(/2 images for 4 slots/));
  const short = plan(104, 4);
  assert.deepEqual([stepSamples(short, 0), stepSamples(short, 1)], [100, 4]);
  assert.equal(plan(100, 64).images, 100);
});

test("max_steps reaches the plan", () => {
  const config = parse({ train: { max_steps: 9 } });
  assert.equal(totalSteps(stepPlan(config, resolveRun(config), 60_000)), 9);
});

test("the same settings are resolved once", () => {
  const config = parse({});
  assert.equal(resolveRun(config), resolveRun(config));
  assert.notEqual(resolveRun(config), resolveRun(parse({})));
});
