import assert from "node:assert/strict";
import { test } from "node:test";
import { ClusterError } from "../../../shared/errors.js";
import { MNIST_RANDOM, mnistNetwork } from "../../../shared/networks/mnist.js";
import { extents, type Layer, layoutOf, outputExtent } from "../../../shared/networks/network.js";
import { networkNamed, networkNames } from "../../../shared/networks/registry.js";

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

test("heads, recipes and augmentations are the paper's", () => {
  for (const name of networkNames()) {
    const network = networkNamed("mnist", name);
    const flags = name.split("-").slice(1);
    assert.equal(network.name, name);
    assert.deepEqual(
      network.head,
      name.startsWith("plain")
        ? { kind: "softmax" }
        : { kind: "rbf", loss: { alpha1: 1, alpha2: 1, alpha3: 0, power: 2 } },
    );
    assert.deepEqual(network.augmentation, {
      ...(flags.includes("r") ? { random: { epsilon: 127.5, probability: 0.5 } } : {}),
      ...(flags.includes("m")
        ? { mean: { copies: 6000, copyScale: 255, noise: 6000, noiseDeviation: 127.5 } }
        : {}),
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
  assert.equal(networkNames().length, 12);
  assert.throws(
    () => networkNamed("mnist", "mrlu-r-m"),
    (error) =>
      error instanceof ClusterError &&
      error.code === "config" &&
      error.message.includes('"mrlu-r-m"') &&
      error.message.includes('did you mean "mrelu-r-m"') &&
      (error.hint ?? "").includes("rbf-r-m"),
  );
  for (const name of ["", "toString", "plain-m-r", "__proto__"]) {
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

test("a network of another activation and flags is described by the same builder", () => {
  const network = mnistNetwork("x", "relu", { kind: "softmax" }, { random: MNIST_RANDOM });
  assert.equal(network.outputs, 10);
  assert.equal(network.layers.filter((layer) => layer.kind === "activation").length, 3);
});
