/** Networks to export: real layouts with weights that make every activation vary, and the PyTorch reference's. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { ExportedModel } from "../../coordinator/results/export/export-format.js";
import { loadMnist, mnistDirectory } from "../../coordinator/io/datasets/mnist.js";
import type { NetworkSettings } from "../../shared/config/network.js";
import { initialParameters, tensorNamed } from "../../shared/core/layout.js";
import { type Layer, type Network, layoutOf } from "../../shared/networks/network.js";
import { networkNamed } from "../../shared/networks/registry.js";
import { titleOf, withSettings } from "../../shared/networks/settings.js";
import { naiveForward } from "../worker/engine/naive-network.js";
import { randomNumbers } from "./draws.js";
import { hashOf } from "../../shared/io/hash.js";

export interface Example {
  what: string;
  model: ExportedModel;
  count: number;
  /** [count, height, width, channels], whole numbers 0..255. */
  pixels: Float32Array;
  /** z [count x outputs] by an implementation that shares no code with the exports. */
  z: Float64Array;
}

export function modelOf(network: Network, parameters: Float32Array, mean: Float32Array): ExportedModel {
  return {
    network,
    layout: layoutOf(network),
    parameters,
    mean,
    facts: {
      run: `20261124T000000Z-${network.name}-abcdef`,
      model: network.name,
      ...(network.settings === undefined ? {} : { network_settings: JSON.stringify(network.settings) }),
      dataset: network.dataset,
      seed: "7",
      step: "100",
      weights_sha256: hashOf(parameters),
      saf_version: "0.0.0",
    },
  };
}

const { test: images } = await loadMnist(mnistDirectory(undefined, process.env).directory);

/** Networks with other numbers than the paper's: widths are what an export has to reproduce. */
export function changedExamples(seed: number): Example[] {
  return [
    mnistExample("mrelu", seed, 8, { activation_width: 1.7 }),
    mnistExample("rbf", seed, 8, { activation_width: 0.6, loss: { power: 3 } }),
    mnistExample("rbf-m", seed, 8, { channels: [1, 1, 1], activation_width: 0.5 }),
  ];
}

/** An MNIST network whose batch norms hold the moments of the images it is shown; z by loops in float64. */
export function mnistExample(name: string, seed: number, count = 8, settings?: NetworkSettings): Example {
  const network = withSettings(networkNamed("mnist", name), settings);
  const layout = layoutOf(network);
  const random = randomNumbers(seed);
  const { height, width, channels } = network.input;
  const size = height * width * channels;
  const pixels = Float32Array.from(images.pixels.subarray(0, count * size));
  const mean = Float32Array.from({ length: size }, () => random(25_500) / 100);
  const input = Float64Array.from(pixels, (pixel, i) => pixel - (mean[i % size] as number));

  const parameters = initialParameters(layout, seed);
  for (const { name: tensor, offset, size: values } of layout.tensors) {
    const part = parameters.subarray(offset, offset + values);
    const between = (low: number, high: number): number => low + ((high - low) * random(10_000)) / 10_000;
    if (tensor.endsWith("/bias") || tensor.endsWith("/shift"))
      part.forEach((_, i) => (part[i] = between(-0.5, 0.5)));
    if (tensor.endsWith("/scale")) part.forEach((_, i) => (part[i] = between(0.5, 1.5)));
    if (tensor === "fc/weight") part.forEach((weight, i) => (part[i] = 4 * weight));
  }
  const { moments } = naiveForward(network, layout, Float64Array.from(parameters), input, "batch");
  for (const [tensor, values] of moments) parameters.set(values, tensorNamed(layout, tensor).offset);
  const { outputs } = naiveForward(network, layout, Float64Array.from(parameters), input, "stored");
  return {
    what: `${titleOf(network)} on MNIST`,
    model: modelOf(network, parameters, mean),
    count,
    pixels,
    z: outputs,
  };
}

interface Reference {
  nets: {
    family: "plain" | "mrelu" | "rbf";
    input: Network["input"];
    outputs: number;
    layers: Layer[];
    tensors: Record<string, string>;
    mean: string;
    pixels: string;
    z: number[][];
  }[];
}

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));
const floatsOf = (text: string): Float32Array => new Float32Array(bytesOf(text).buffer);

/** Networks with the geometry of the CIFAR-10 ones, padded pools included; z by PyTorch. */
export function referenceExamples(): Example[] {
  const file = fileURLToPath(new URL("../fixtures/export/reference.json", import.meta.url));
  const { nets } = JSON.parse(readFileSync(file, "utf8")) as Reference;
  return nets.map(({ family, input, outputs, layers, tensors, mean, pixels, z }) => {
    const like = networkNamed("mnist", family);
    const network: Network = {
      ...like,
      name: family,
      dataset: "cifar10",
      input,
      outputs,
      realClasses: outputs,
      layers,
    };
    const layout = layoutOf(network);
    const parameters = new Float32Array(layout.size);
    for (const { name, offset } of layout.tensors) parameters.set(floatsOf(tensors[name] ?? ""), offset);
    return {
      what: `${family} with CIFAR-10's padding`,
      model: modelOf(network, parameters, floatsOf(mean)),
      count: z.length,
      pixels: Float32Array.from(bytesOf(pixels)),
      z: Float64Array.from(z.flat()),
    };
  });
}

/** What both heads should give for z. */
export function headsOf({ model, z }: Example): { logits: Float64Array; confidences: Float64Array } {
  const { head, outputs } = model.network;
  if (head.kind === "rbf") {
    const logits = z.map((value) => -value * value);
    return { logits, confidences: logits.map(Math.exp) };
  }
  const confidences = z.map((value, at) => {
    const first = Math.floor(at / outputs) * outputs;
    const row = z.subarray(first, first + outputs);
    return 1 / row.reduce((sum, other) => sum + Math.exp(other - value), 0);
  });
  return { logits: z, confidences };
}

/** The largest difference, of values beyond 1 relative to their size. */
export function differenceOf(found: Float32Array, expected: Float64Array): number {
  if (found.length !== expected.length) return Infinity;
  return expected.reduce(
    (worst, value, i) =>
      Math.max(worst, Math.abs((found[i] as number) - value) / Math.max(1, Math.abs(value))),
    0,
  );
}
