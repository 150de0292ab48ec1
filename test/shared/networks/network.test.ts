import assert from "node:assert/strict";
import { test } from "node:test";
import { ClusterError } from "../../../shared/errors.js";
import { extents, type Layer, layoutOf, outputExtent } from "../../../shared/networks/network.js";
import { canonicalName, networkNamed, networkNames } from "../../../shared/networks/registry.js";

/** Weights and biases of convolutions, and scales and shifts of batch norm. */
function counts(name: string): { convolution: number; norm: number; moments: number } {
  const { tensors } = layoutOf(networkNamed("mnist", name));
  const sum = (isWanted: (part: string) => boolean): number =>
    tensors
      .filter((tensor) => isWanted(tensor.name.split("/")[1] ?? ""))
      .reduce((total, { size }) => total + size, 0);
  return {
    convolution: sum((part) => part === "weight" || part === "bias"),
    norm: sum((part) => part === "scale" || part === "shift"),
    moments: sum((part) => part === "mean" || part === "deviation"),
  };
}

test("the MNIST networks have the paper's numbers of parameters", () => {
  for (const name of ["plain", "mrelu", "rbf", "plain-r", "mrelu-r", "rbf-r"]) {
    assert.deepEqual(counts(name), { convolution: 431_080, norm: 1140, moments: 1140 }, name);
  }
  // Two more outputs of a 500-wide layer.
  for (const name of ["plain-m", "mrelu-r-m", "rbf-r-m"])
    assert.equal(counts(name).convolution, 431_080 + 2 * 501, name);
});

test("the MNIST layers have the paper's sizes, and a robust net its suppressing activation before each pooling", () => {
  const describe = (name: string): string[] => {
    const network = networkNamed("mnist", name);
    const sizes = extents(network);
    return network.layers.map((layer, i) => {
      const { height, width, channels } = sizes[i + 1] ?? { height: 0, width: 0, channels: 0 };
      const what = layer.kind === "activation" ? layer.activation : layer.kind;
      return `${what} ${height}x${width}x${channels}`;
    });
  };
  const conv1 = ["convolution 24x24x20", "batch-norm 24x24x20"];
  const conv2 = ["convolution 8x8x50", "batch-norm 8x8x50"];
  const rest = ["convolution 1x1x500", "batch-norm 1x1x500", "relu 1x1x500", "convolution 1x1x10"];
  assert.deepEqual(describe("plain"), [...conv1, "max-pool 12x12x20", ...conv2, "max-pool 4x4x50", ...rest]);
  for (const family of ["mrelu", "rbf"]) {
    assert.deepEqual(describe(family), [
      ...conv1,
      `${family} 24x24x20`,
      "max-pool 12x12x20",
      ...conv2,
      `${family} 8x8x50`,
      "max-pool 4x4x50",
      ...rest,
    ]);
  }
});

test("MNIST heads, recipes and augmentations are the paper's", () => {
  for (const name of networkNames("mnist")) {
    const network = networkNamed("mnist", name);
    const flags = name.split("-").slice(1);
    assert.equal(network.name, name);
    assert.deepEqual(
      network.head,
      name.startsWith("plain") && !name.startsWith("plain-rbfhead")
        ? { kind: "softmax" }
        : { kind: "rbf", loss: { alpha1: 1, alpha2: 1, alpha3: 0, power: 2 } },
    );
    assert.deepEqual(network.augmentation, {
      ...(flags.includes("a") ? { adversarial: { epsilon: 63.75, share: 0.5 } } : {}),
      ...(flags.includes("r") ? { random: { epsilon: 127.5, probability: 0.5, scope: "image" } } : {}),
      ...(flags.includes("m")
        ? { mean: { copies: 6000, copyScale: 255, noise: 6000, noiseDeviation: 127.5 } }
        : {}),
      ...(flags.includes("pgd") ? { pgd: { epsilon: 76.5, stepSize: 19.125, steps: 10 } } : {}),
    });
    assert.deepEqual([network.outputs, network.realClasses], [flags.includes("m") ? 12 : 10, 10]);
    assert.deepEqual(network.recipe, {
      epochs: 20,
      batchSize: 100,
      stages: [{ rate: 0.001, epochs: 20 }],
      weightDecay: 5e-4,
    });
    assert.deepEqual(
      network.strengths,
      [0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5],
    );
  }
});

/** Layers with the size of what they give, as in "relu 8x8x64". */
function layersOf(dataset: string, name: string): string[] {
  const network = networkNamed(dataset, name);
  const sizes = extents(network);
  return network.layers.map((layer, i) => {
    const { height, width, channels } = sizes[i + 1] ?? { height: 0, width: 0, channels: 0 };
    const what = layer.kind === "activation" ? layer.activation : layer.kind;
    return `${what} ${height}x${width}x${channels}`;
  });
}

test("the CIFAR-10 layers have the paper's sizes and order", () => {
  const norm = (isThere: boolean, size: string): string[] => (isThere ? [`batch-norm ${size}`] : []);
  const expected = (activation: string, isNormed: boolean, outputs: number): string[] => [
    "convolution 32x32x32",
    ...norm(isNormed, "32x32x32"),
    // The plain net pools first; for max pooling and ReLU the order makes no difference but in time.
    ...(activation === "relu"
      ? ["max-pool 16x16x32", "relu 16x16x32"]
      : [`${activation} 32x32x32`, "max-pool 16x16x32"]),
    "convolution 16x16x32",
    ...norm(isNormed, "16x16x32"),
    `${activation} 16x16x32`,
    "average-pool 8x8x32",
    "convolution 8x8x64",
    ...norm(isNormed, "8x8x64"),
    `${activation} 8x8x64`,
    "average-pool 4x4x64",
    "convolution 1x1x64",
    ...norm(isNormed, "1x1x64"),
    "relu 1x1x64",
    `convolution 1x1x${outputs}`,
  ];
  assert.deepEqual(layersOf("cifar10", "plain"), expected("relu", false, 10));
  assert.deepEqual(layersOf("cifar10", "plain-r-m"), expected("relu", false, 12));
  assert.deepEqual(layersOf("cifar10", "mrelu"), expected("mrelu", true, 10));
  assert.deepEqual(layersOf("cifar10", "rbf-r-m"), expected("rbf", true, 12));
  assert.deepEqual(layersOf("cifar10", "plain-bn"), expected("relu", true, 10));
  assert.deepEqual(layersOf("cifar10", "plain-rbfhead"), expected("relu", false, 10));
  for (const layer of networkNamed("cifar10", "mrelu").layers) {
    if (layer.kind === "max-pool" || layer.kind === "average-pool")
      assert.deepEqual([layer.size, layer.stride, layer.padding], [3, 2, [0, 1, 0, 1]]);
  }
});

test("the CIFAR-10 networks have the paper's number of parameters", () => {
  for (const name of ["plain", "mrelu", "rbf"]) {
    const { tensors } = layoutOf(networkNamed("cifar10", name));
    const of = (parts: string[]): number =>
      tensors
        .filter((tensor) => parts.includes(tensor.name.split("/")[1] ?? ""))
        .reduce((sum, { size }) => sum + size, 0);
    assert.equal(of(["weight", "bias"]), 145_578, name);
    assert.equal(of(["scale", "shift"]), name === "plain" ? 0 : 2 * (32 + 32 + 64 + 64), name);
  }
});

test("CIFAR-10 rates, initial weights, recipes, losses and augmentations are the paper's", () => {
  for (const name of networkNames("cifar10")) {
    const network = networkNamed("cifar10", name);
    const isRobust = /^(mrelu|rbf)\b/.test(name);
    const flags = name.split("-");
    assert.deepEqual(
      network.recipe,
      isRobust
        ? {
            epochs: 90,
            batchSize: 50,
            stages: [
              { rate: 0.05, epochs: 60 },
              { rate: 0.005, epochs: 20 },
              { rate: 0.0005, epochs: 10 },
            ],
            weightDecay: 1e-4,
          }
        : {
            epochs: 45,
            batchSize: 100,
            stages: [
              { rate: 0.05, epochs: 30 },
              { rate: 0.005, epochs: 10 },
              { rate: 0.0005, epochs: 5 },
            ],
            weightDecay: 1e-4,
          },
      name,
    );
    for (const { name: tensor, rateMultiplier, initial, decays } of layoutOf(network).tensors) {
      const [layer = "", part = ""] = tensor.split("/");
      if (layer.startsWith("bn")) {
        assert.deepEqual([rateMultiplier, decays], [1, false], `${name} ${tensor}`);
        continue;
      }
      assert.equal(rateMultiplier, part === "weight" || isRobust ? 0.1 : 2, `${name} ${tensor}`);
      assert.equal(decays, true);
      const deviation = isRobust || layer === "conv1" ? 0.01 : 0.05;
      assert.deepEqual(
        initial,
        part === "weight" ? { kind: "normal", deviation } : { kind: "constant", value: 0 },
      );
    }
    const hasRbfHead = isRobust || name.startsWith("plain-rbfhead");
    assert.deepEqual(
      network.head,
      hasRbfHead
        ? { kind: "rbf", loss: { alpha1: 1, alpha2: 1, alpha3: 1 / 9, power: 2 } }
        : { kind: "softmax" },
    );
    assert.deepEqual(network.augmentation, {
      mirror: { probability: 0.5 },
      ...(flags.includes("a") ? { adversarial: { epsilon: 12.75, share: 0.5 } } : {}),
      ...(flags.includes("r") ? { random: { epsilon: 38.25, probability: 0.5, scope: "batch" } } : {}),
      ...(flags.includes("m")
        ? { mean: { copies: 2500, copyScale: 64, noise: 2500, noiseDeviation: 96 } }
        : {}),
      ...(flags.includes("pgd") ? { pgd: { epsilon: 8, stepSize: 2, steps: 7 } } : {}),
    });
    assert.deepEqual(
      network.strengths,
      [0, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.045, 0.05, 0.075, 0.1, 0.15],
    );
  }
});

test("flags may come in any order and have one in the name; Fashion-MNIST takes MNIST's networks", () => {
  for (const name of ["mrelu-r-m-a", "mrelu-m-a-r", "mrelu-a-r-m"]) {
    assert.equal(networkNamed("cifar10", name).name, "mrelu-a-r-m");
    assert.equal(canonicalName("mnist", name), "mrelu-a-r-m");
  }
  assert.equal(canonicalName("cifar10", "plain-rbfhead-m-r"), "plain-rbfhead-r-m");
  assert.equal(canonicalName("mnist", "plain-bn"), undefined);
  const fashion = networkNamed("fashion-mnist", "rbf-r");
  assert.deepEqual({ ...fashion, dataset: "mnist" }, networkNamed("mnist", "rbf-r"));
  assert.equal(fashion.dataset, "fashion-mnist");
});

test("convolutions decay, batch norm does not; weights start normal, batch norm as the identity", () => {
  for (const { name, decays, rateMultiplier, initial, role } of layoutOf(networkNamed("mnist", "mrelu"))
    .tensors) {
    const [layer = "", part = ""] = name.split("/");
    assert.equal(decays, !layer.startsWith("bn"), name);
    assert.equal(rateMultiplier, 1, name);
    assert.equal(role, part === "mean" || part === "deviation" ? "moment" : "weight", name);
    const value = { bias: 0, scale: 1, shift: 0, mean: 0, deviation: 1 }[part];
    assert.deepEqual(
      initial,
      part === "weight" ? { kind: "normal", deviation: 0.01 } : { kind: "constant", value },
      name,
    );
  }
});

test("every name gives a network of its own; another is refused with the list and the nearest", () => {
  assert.deepEqual(networkNames().length, new Set(networkNames()).size);
  // Four families, eight sets of flags and -pgd; on CIFAR-10 the control plain-bn besides.
  assert.equal(networkNames("mnist").length, 4 * 9);
  assert.equal(networkNames("cifar10").length, 5 * 9);
  assert.throws(
    () => networkNamed("mnist", "mrlu-r-m"),
    (error) =>
      error instanceof ClusterError &&
      error.code === "config" &&
      error.message.includes('"mrlu-r-m"') &&
      error.message.includes('did you mean "mrelu-r-m"') &&
      (error.hint ?? "").includes("rbf-r-m"),
  );
  for (const name of ["", "toString", "plain-r-r", "plain-", "-r", "plain-pgd-r", "plain-bn", "__proto__"]) {
    assert.throws(
      () => networkNamed("mnist", name),
      (error) => error instanceof ClusterError && error.code === "config",
    );
  }
  for (const dataset of ["imagenet", "toString", "__proto__"]) {
    assert.throws(
      () => networkNamed(dataset, "plain"),
      (error) => error instanceof ClusterError && error.code === "config" && error.message.includes("mnist"),
      dataset,
    );
  }
});

test("an extent follows from window, padding and stride; the paper's CIFAR pools come out even", () => {
  const input = { height: 32, width: 32, channels: 3 };
  const pool = (kind: "max-pool" | "average-pool"): Layer => ({
    kind,
    size: 3,
    stride: 2,
    padding: [0, 1, 0, 1],
  });
  const conv: Layer = {
    kind: "convolution",
    name: "c",
    kernel: [5, 3],
    channels: 7,
    padding: [2, 2, 1, 1],
    rates: { weight: 1, bias: 1 },
    deviation: 1,
  };
  assert.deepEqual(outputExtent(pool("max-pool"), input), { height: 16, width: 16, channels: 3 });
  assert.deepEqual(outputExtent(pool("average-pool"), { height: 16, width: 8, channels: 4 }), {
    height: 8,
    width: 4,
    channels: 4,
  });
  assert.deepEqual(outputExtent(conv, input), { height: 32, width: 32, channels: 7 });
  assert.deepEqual(outputExtent({ ...conv, padding: [0, 0, 0, 0] }, input), {
    height: 28,
    width: 30,
    channels: 7,
  });
  assert.deepEqual(outputExtent({ kind: "batch-norm", name: "b" }, input), input);
});

test("a window larger than its input is refused with both sizes", () => {
  const layer: Layer = { kind: "max-pool", size: 5, stride: 1, padding: [0, 0, 0, 0] };
  assert.throws(
    () => outputExtent(layer, { height: 4, width: 9, channels: 1 }),
    (error) =>
      error instanceof ClusterError && error.code === "shape-mismatch" && /5x5.*4x9/.test(error.message),
  );
});
