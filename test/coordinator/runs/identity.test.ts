import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isIdentityOf, runIdentity } from "../../../coordinator/runs/identity.js";
import { type ConfigInput, configSchema } from "../../../shared/config/run.js";
import { marksOf } from "../../../shared/config/setting.js";
import { NETWORK_DATASETS, networkNamed, networkNames } from "../../../shared/networks/registry.js";
import { settingsOf } from "../../../shared/networks/settings.js";

const DATA = "a".repeat(64);
const identityOf = (input: ConfigInput, data = DATA): string => runIdentity(configSchema.parse(input), data);

/** Two values of each setting, so that one of them is another than the one that is there. */
const OTHER_VALUES: Record<string, [unknown, unknown]> = {
  // The only version there is.
  version: [1, undefined],
  name: ["one", "other"],
  model: ["mrelu-a-r-m", "rbf-a-r-m"],
  seed: [1, 2],
  engine: ["emulated", undefined],
  "data.set": ["mnist", "fashion-mnist"],
  "data.dir": ["here", "there"],
  "network.channels": [
    [1, 1, 1],
    [2, 3, 4],
  ],
  "network.activation_width": [0.5, 2],
  "network.loss.alpha1": [0.5, 2],
  "network.loss.alpha2": [0.5, 2],
  "network.loss.alpha3": [0.5, 2],
  "network.loss.power": [1, 3],
  "network.random.epsilon": [0.1, 0.2],
  "network.random.probability": [0.1, 0.2],
  "network.mean.copies": [10, 20],
  "network.mean.noise": [10, 20],
  "network.mean.copy_scale": [0.1, 0.2],
  "network.mean.noise_deviation": [0.1, 0.2],
  "network.adversarial.epsilon": [0.1, 0.2],
  "network.adversarial.share": [0.1, 0.2],
  "network.pgd.epsilon": [0.1, 0.2],
  "network.pgd.step_size": [0.1, 0.2],
  "network.pgd.steps": [1, 2],
  "train.epochs": [1, 2.5],
  "train.batch_size": [64, 128],
  "train.slots": [2, 8],
  "train.lease": ["step", "exclusive"],
  "train.codec": ["fp32", "bf16"],
  "train.learning_rate": [
    0.1,
    [
      { rate: 0.1, epochs: 1 },
      { rate: 0.2, epochs: 1 },
    ],
  ],
  "train.momentum": [0, 0.5],
  "train.weight_decay": [0, 0.1],
  "train.max_steps": [10, 20],
  "train.limit_images": [1000, 2000],
  "train.adversarial_rounds": [1, 2],
  "train.checkpoint_every_steps": [10, 20],
  "train.keep_checkpoints": [1, 3],
  "train.evaluate_every_epochs": [0, 2],
  "evaluate.kinds": [["clean"], ["clean", "noisy"]],
  "evaluate.protocol": ["modern", ["paper", "corrected"]],
  "evaluate.strengths": [[0.1], [0.1, 0.2]],
  "evaluate.l2_strengths": [[1], [2]],
  "evaluate.images": [100, 200],
  "evaluate.clean_images": [100, 200],
  "evaluate.diagnostics": [true, false],
  "evaluate.budget": ["standard", "full"],
  "evaluate.attacks": [["fgsm"], ["pgd-10"]],
  "evaluate.transfer_from": ["a", ["b", "c"]],
  "evaluate.attack_batch": [10, 20],
  "evaluate.bn": ["train", "eval"],
  "evaluate.clip": [true, false],
  "evaluate.threshold": ["released", "probability"],
  "evaluate.ties": ["released", "stable"],
  "evaluate.features": [true, false],
};

const MARKS = [...marksOf(configSchema)];

function changed(input: ConfigInput, path: string, value: unknown): ConfigInput {
  const [first = "", ...rest] = path.split(".");
  const whole = input as Record<string, unknown>;
  if (rest.length === 0) return { ...whole, [first]: value };
  return { ...whole, [first]: changed(whole[first] ?? {}, rest.join("."), value) };
}

/** Flag PGD stands alone, so its settings do too. */
const isOfPgd = ([path]: (typeof MARKS)[number]): boolean => path.startsWith("network.pgd.");
const FOR_ALL_FLAGS = MARKS.filter((mark) => !isOfPgd(mark));

/** A run with some of its settings written down; of all flags that go together, so that each of them may be. */
const anyRun: fc.Arbitrary<ConfigInput> = fc
  .subarray(FOR_ALL_FLAGS.map(([path]) => path).filter((path) => path !== "model"))
  .chain((paths) => fc.tuple(...paths.map(valueOf)))
  .map((said) => {
    const allFlags: ConfigInput = { model: "mrelu-a-r-m" };
    return said.reduce((input, { path, value }) => changed(input, path, value), allFlags);
  });

function valueOf(path: string): fc.Arbitrary<{ path: string; value: unknown }> {
  return fc.constantFrom(...(OTHER_VALUES[path] ?? [])).map((value) => ({ path, value }));
}

test("this test knows two values of every setting", () => {
  assert.deepEqual(
    Object.keys(OTHER_VALUES),
    MARKS.map(([path]) => path),
  );
});

test("a setting that decides the weights changes the identity, any other leaves it", () => {
  fc.assert(
    fc.property(anyRun, fc.constantFrom(...FOR_ALL_FLAGS), (input, [path, decides]) => {
      const [one, other] = (OTHER_VALUES[path] as [unknown, unknown]).map((value) =>
        identityOf(changed(input, path, value)),
      );
      assert.equal(one !== other, decides === "weights", path);
    }),
    { numRuns: 1000 },
  );
  for (const [path] of MARKS.filter(isOfPgd)) {
    const found = [undefined, ...(OTHER_VALUES[path] ?? [])].map((value) =>
      identityOf(changed({ model: "mrelu-pgd" }, path, value)),
    );
    assert.equal(new Set(found).size, 3, path);
  }
});

test("what a network is by itself, written down, makes no other run", () => {
  for (const dataset of NETWORK_DATASETS) {
    for (const model of networkNames(dataset)) {
      const run: ConfigInput = { model, data: { set: dataset as "mnist" } };
      const network = settingsOf(networkNamed(dataset, model));
      assert.equal(identityOf({ ...run, network }), identityOf(run), `${model} on ${dataset}`);
    }
  }
});

test("other images make another run", () => {
  assert.notEqual(identityOf({}), identityOf({}, "b".repeat(64)));
});

test("what counts is how settings act: the paper's values written down are those left out", () => {
  const paper = identityOf({});
  assert.equal(identityOf({ model: "mrelu-m-r" }), paper);
  assert.equal(
    identityOf({
      seed: 0,
      train: { batch_size: 100, slots: 4, learning_rate: 0.001, momentum: 0.9, weight_decay: 5e-4 },
    }),
    paper,
  );
  assert.equal(identityOf({ train: { learning_rate: [{ rate: 0.001, epochs: 3 }] } }), paper);
  assert.equal(identityOf({ train: { codec: "fp32" } }), paper);
  assert.notEqual(identityOf({ train: { codec: "bf16" } }), paper);
});

test("a run may be prolonged: its length decides which weights are the last, not what they are", () => {
  const rates = [
    { rate: 0.1, epochs: 1 },
    { rate: 0.01, epochs: 1 },
  ];
  const longer = [
    { rate: 0.1, epochs: 1 },
    { rate: 0.01, epochs: 9 },
  ];
  for (const learning_rate of [undefined, 0.5, rates]) {
    const short = identityOf({ train: { learning_rate, epochs: 2 } });
    assert.equal(identityOf({ train: { learning_rate, epochs: 20, max_steps: 9000 } }), short);
  }
  assert.equal(
    identityOf({ train: { learning_rate: longer } }),
    identityOf({ train: { learning_rate: rates } }),
  );
  const [first, last] = [rates.slice(0, 1), rates];
  assert.notEqual(
    identityOf({ train: { learning_rate: first } }),
    identityOf({ train: { learning_rate: last } }),
  );
});

test("a directory of before November 2026 goes on with its settings, and with no others", () => {
  // As the version of then wrote them.
  const plain = "45885875c45bc664d4456e9c8ac5d5ed1b7a91def97bdfc3abf40ceaccfcedd7";
  const full = "3747c6e1326462df8d15619db3d3e9da38ad8cacfa9c22debecb478e454153f4";
  const config: ConfigInput = {
    model: "mrelu-m-a",
    seed: 7,
    data: { set: "cifar10" },
    train: {
      batch_size: 32,
      slots: 2,
      learning_rate: [
        { rate: 0.1, epochs: 2 },
        { rate: 0.01, epochs: 1 },
      ],
      momentum: 0.5,
      weight_decay: 0,
      limit_images: 640,
      adversarial_rounds: 3,
      max_steps: 9,
    },
  };
  const isOf = (identity: string, input: ConfigInput, data: string): boolean =>
    isIdentityOf(identity, configSchema.parse(input), data);
  assert.ok(isOf(plain, {}, DATA));
  assert.ok(isOf(plain, { train: { epochs: 40 }, evaluate: { images: 10 } }, DATA));
  assert.ok(isOf(full, config, "b".repeat(64)));
  assert.ok(!isOf(plain, { seed: 1 }, DATA));
  assert.ok(isOf(plain, { network: { activation_width: 1 } }, DATA));
  assert.ok(!isOf(plain, { network: { activation_width: 2 } }, DATA), "no run of then had one");
  assert.ok(isOf(plain, { train: { codec: "fp32" } }, DATA));
  assert.ok(!isOf(plain, { train: { codec: "bf16" } }, DATA), "none was rounded");
  assert.ok(!isOf(plain, {}, "b".repeat(64)));
  assert.ok(!isOf(full, { ...config, seed: 8 }, "b".repeat(64)));
});

/** These stand in checkpoints: a change here is a change of every run directory, and needs a way to go on. */
test("the identity stays what it is from one version to the next", () => {
  assert.equal(identityOf({}), "9d2d1c43b37de09148b7e38064a534a9db3a4d34c3a564f832bb78717b187ac9");
  assert.equal(
    identityOf({ model: "plain", seed: 5, train: { slots: 1, limit_images: 10 } }),
    "dc9831c3f0a4a7fb3c91911fff86634d12ccb6d0b00bcbf567a9113ffac65088",
  );
});
