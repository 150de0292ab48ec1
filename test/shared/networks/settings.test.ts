import assert from "node:assert/strict";
import { test } from "node:test";
import { type NetworkSettings, networkSchema } from "../../../shared/config/network.js";
import { ClusterError } from "../../../shared/errors.js";
import { type Layer, type Network, layoutOf } from "../../../shared/networks/network.js";
import { NETWORK_DATASETS, networkNamed, networkNames } from "../../../shared/networks/registry.js";
import {
  completeSettings,
  settingProblems,
  settingsOf,
  titleOf,
  withSettings,
} from "../../../shared/networks/settings.js";

const everyNetwork = NETWORK_DATASETS.flatMap((dataset) =>
  networkNames(dataset).map((name) => networkNamed(dataset, name)),
);
const told = (network: Network, said: NetworkSettings): string[] =>
  settingProblems(network, said).map(({ path, message }) => `${path.join(".")}: ${message}`);
const channelsOf = ({ layers }: Network): number[] =>
  layers.flatMap((layer) => (layer.kind === "convolution" ? [layer.channels] : []));
const activationsOf = ({ layers }: Network): Layer[] => layers.filter(({ kind }) => kind === "activation");

test("a network of which nothing is said, or what it is already, stays the very same", () => {
  for (const network of everyNetwork) {
    assert.equal(withSettings(network, undefined), network);
    assert.equal(withSettings(network, {}), network);
    assert.equal(
      withSettings(network, { loss: {}, random: {}, mean: {}, adversarial: {}, pgd: {} }),
      network,
    );
    const own = settingsOf(network);
    assert.equal(withSettings(network, own), network, `${network.name} on ${network.dataset}`);
    assert.deepEqual(networkSchema.parse(own), own, "what a network is may be written into a file");
  }
});

test("the settings of the paper's networks are METHOD.md's", () => {
  assert.deepEqual(settingsOf(networkNamed("mnist", "plain")), { channels: [20, 50, 500] });
  assert.deepEqual(settingsOf(networkNamed("mnist", "mrelu-a-r-m")), {
    channels: [20, 50, 500],
    activation_width: 1,
    loss: { alpha1: 1, alpha2: 1, alpha3: 0, power: 2 },
    random: { epsilon: 0.5, probability: 0.5 },
    mean: { copies: 6000, noise: 6000, copy_scale: 1, noise_deviation: 0.5 },
    adversarial: { epsilon: 0.25, share: 0.5 },
  });
  assert.deepEqual(settingsOf(networkNamed("cifar10", "rbf-r-m")), {
    channels: [32, 32, 64, 64],
    activation_width: 1,
    loss: { alpha1: 1, alpha2: 1, alpha3: 1 / 9, power: 2 },
    random: { epsilon: 0.15, probability: 0.5 },
    mean: { copies: 2500, noise: 2500, copy_scale: 64 / 255, noise_deviation: 96 / 255 },
  });
  assert.deepEqual(settingsOf(networkNamed("cifar10", "plain-pgd")), {
    channels: [32, 32, 64, 64],
    pgd: { epsilon: 8 / 255, step_size: 2 / 255, steps: 7 },
  });
});

test("a network of one channel everywhere has 95 weights and 6 moments", () => {
  const tiny = withSettings(networkNamed("mnist", "mrelu"), { channels: [1, 1, 1] });
  // Two 5x5 windows and a 4x4 one, each with a bias and a batch norm's scale and shift; then ten classes of one input.
  assert.equal(layoutOf(tiny).size, 2 * (25 + 1 + 2) + (16 + 1 + 2) + (10 + 10) + 6);
  assert.deepEqual(channelsOf(tiny), [1, 1, 1, 10]);
  assert.deepEqual(channelsOf(withSettings(networkNamed("cifar10", "rbf-m"), { channels: [1, 2, 3, 4] })), [
    ...[1, 2, 3, 4, 12],
  ]);
});

test("a width is of the symmetric activations alone, and 1 is none", () => {
  const wide = withSettings(networkNamed("mnist", "rbf"), { activation_width: 2.5 });
  assert.deepEqual(activationsOf(wide), [
    { kind: "activation", activation: "rbf", width: 2.5 },
    { kind: "activation", activation: "rbf", width: 2.5 },
    { kind: "activation", activation: "relu" },
  ]);
  assert.deepEqual(wide.head, networkNamed("mnist", "rbf").head, "the head's RBF is another one");
  const one = withSettings(networkNamed("mnist", "rbf"), { activation_width: 1, loss: { power: 3 } });
  assert.deepEqual(activationsOf(one), activationsOf(networkNamed("mnist", "rbf")));
  assert.deepEqual(one.settings, { loss: { power: 3 } });
});

test("losses and the sizes of the flags are taken one by one; strengths are of the full pixel range", () => {
  const network = withSettings(networkNamed("mnist", "mrelu-a-r-m"), {
    loss: { alpha1: 0.5, alpha3: 0.2, power: 3 },
    random: { epsilon: 0.2 },
    mean: { copies: 100, noise: 0, copy_scale: 0.5 },
    adversarial: { epsilon: 0.1, share: 0.75 },
  });
  assert.deepEqual(network.head, { kind: "rbf", loss: { alpha1: 0.5, alpha2: 1, alpha3: 0.2, power: 3 } });
  assert.deepEqual(network.augmentation, {
    random: { epsilon: 51, probability: 0.5, scope: "image" },
    mean: { copies: 100, copyScale: 127.5, noise: 0, noiseDeviation: 127.5 },
    adversarial: { epsilon: 25.5, share: 0.75 },
  });
  const pgd = withSettings(networkNamed("cifar10", "mrelu-pgd"), { pgd: { epsilon: 0.2, step_size: 0.1 } });
  assert.deepEqual(pgd.augmentation.pgd, { epsilon: 51, stepSize: 25.5, steps: 7 });
  assert.deepEqual(pgd.augmentation.mirror, { probability: 0.5 });
});

test("a network keeps in mind what makes it another than the paper's, in the schema's order", () => {
  const { settings } = withSettings(networkNamed("mnist", "mrelu-r"), {
    random: { probability: 0.25, epsilon: 0.5 },
    loss: { alpha1: 1, alpha2: 4 },
    channels: [20, 50, 400],
    mean: {},
  });
  assert.equal(
    JSON.stringify(settings),
    '{"channels":[20,50,400],"loss":{"alpha2":4},"random":{"probability":0.25}}',
  );
});

test("names for people say what is other", () => {
  const network = networkNamed("mnist", "mrelu-r");
  assert.equal(titleOf(network), "mrelu-r");
  const other = withSettings(network, {
    channels: [8, 16, 32],
    activation_width: 2,
    random: { epsilon: 0.3 },
  });
  assert.equal(titleOf(other), "mrelu-r (channels 8, 16, 32; activation_width 2; random.epsilon 0.3)");
});

test("what is complete has what is said, as it is said, over what the network has", () => {
  const network = withSettings(networkNamed("mnist", "mrelu-r"), { random: { epsilon: 0.3 } });
  assert.deepEqual(completeSettings(network, { random: { epsilon: 0.3 }, mean: {} }), {
    channels: [20, 50, 500],
    activation_width: 1,
    loss: { alpha1: 1, alpha2: 1, alpha3: 0, power: 2 },
    random: { epsilon: 0.3, probability: 0.5 },
  });
});

test("a setting for a part that the network lacks is refused, and says which part", () => {
  const plain = networkNamed("mnist", "plain");
  assert.deepEqual(
    told(plain, {
      activation_width: 2,
      loss: { power: 3 },
      random: { epsilon: 0.1 },
      mean: { copies: 1 },
      adversarial: { share: 0.1 },
      pgd: { steps: 3 },
    }),
    [
      'network.activation_width: only for symmetric activations, which "plain" does not have',
      'network.loss: only for the hybrid loss, which "plain" does not have',
      'network.random: only for flag R, which "plain" does not have',
      'network.mean: only for flag M, which "plain" does not have',
      'network.adversarial: only for flag A, which "plain" does not have',
      'network.pgd: only for flag PGD, which "plain" does not have',
    ],
  );
  // Its head has the hybrid loss, and nothing before it a symmetric activation.
  const head = networkNamed("mnist", "plain-rbfhead");
  assert.deepEqual(told(head, { loss: { power: 3 } }), []);
  assert.equal(told(head, { activation_width: 2 }).length, 1);
  assert.throws(
    () => withSettings(plain, { activation_width: 2, loss: { power: 3 } }),
    (error) =>
      error instanceof ClusterError && error.code === "config" && error.message.split("\n").length === 2,
  );
});

test("channels must be as many as the convolutions before the last, and make no giant", () => {
  assert.deepEqual(told(networkNamed("mnist", "mrelu"), { channels: [1, 2] }), [
    'network.channels: "mrelu" on mnist has 3 convolutions before the last: expected 3 numbers, got 2',
  ]);
  assert.deepEqual(told(networkNamed("cifar10", "plain"), { channels: [1, 2, 3] }), [
    'network.channels: "plain" on cifar10 has 4 convolutions before the last: expected 4 numbers, got 3',
  ]);
  const [giant] = told(networkNamed("mnist", "mrelu"), { channels: [4096, 4096, 4096] });
  assert.match(
    giant ?? "",
    /^network\.channels: they make a network of \d{9} parameters: expected at most 67108864$/,
  );
  assert.deepEqual(told(networkNamed("mnist", "mrelu"), { channels: [64, 256, 2048] }), []);
});

test("a loss of which nothing is left is refused", () => {
  const mrelu = networkNamed("mnist", "mrelu");
  assert.equal(told(mrelu, { loss: { alpha1: 0, alpha2: 0 } }).length, 1, "alpha3 is 0 on MNIST");
  assert.deepEqual(told(mrelu, { loss: { alpha1: 0 } }), []);
  assert.deepEqual(told(networkNamed("cifar10", "mrelu"), { loss: { alpha1: 0, alpha2: 0 } }), []);
});

test("what no network could have is refused by the schema", () => {
  const refused = (input: unknown): boolean => !networkSchema.safeParse(input).success;
  for (const input of [
    { channels: [] },
    { channels: [0, 1, 1] },
    { channels: [1.5, 1, 1] },
    { channels: [5000, 1, 1] },
    { activation_width: 0 },
    { activation_width: -1 },
    { activation_width: Infinity },
    { loss: { alpha1: -1 } },
    { loss: { power: 0.5 } },
    { random: { epsilon: 127.5 } },
    { mean: { copy_scale: 255 } },
    { pgd: { steps: 0 } },
    { hight: 3 },
  ])
    assert.ok(refused(input), JSON.stringify(input));
  assert.equal(networkSchema.parse(undefined), undefined);
});
