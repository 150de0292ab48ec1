/** What every engine must do with a network: program.test.ts and program-tensorflow.test.ts run it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { initialParameters, type Layout, TAIL } from "../../../shared/core/layout.js";
import { BufferPool, TreeSum } from "../../../shared/core/reduction.js";
import type { StepPlan } from "../../../shared/core/schedule.js";
import { type ActivationName, type Layer, layoutOf, type Network } from "../../../shared/networks/network.js";
import { networkNamed } from "../../../shared/networks/registry.js";
import { withSettings } from "../../../shared/networks/settings.js";
import { RandomStream } from "../../../shared/random.js";
import { GradientAssembler } from "../../../worker/core/gradient-assembler.js";
import { lossOf } from "../../../worker/core/losses/registry.js";
import type { Program, Programs } from "../../../worker/engine/program.js";
import { slotInputs } from "../../../worker/training/slot-inputs.js";
import { computeSlots } from "../../../worker/training/train-step.js";
import { naiveForward, naiveLoss } from "./naive-network.js";

const BATCH = 3;
const SEED = 20_160_310;

export interface Sample {
  network: Network;
  layout: Layout;
  /** Parameters away from their initial values: every one matters, moments included. */
  vector: Float32Array;
  inputs: Float32Array;
  labels: Uint8Array;
}

export function sampleOf(network: Network, batch = BATCH): Sample {
  const layout = layoutOf(network);
  const vector = initialParameters(layout, SEED);
  const stream = new RandomStream(SEED, "attack", 1);
  for (const { name, offset, size } of layout.tensors) {
    for (let i = offset; i < offset + size; i++) {
      const part = name.split("/")[1];
      if (part === "weight") vector[i] = (vector[i] as number) * (name === "fc/weight" ? 4 : 1);
      else if (part === "scale" || part === "deviation") vector[i] = 1 + 0.2 * stream.normal();
      else vector[i] = 0.3 * stream.normal();
    }
  }
  const { height, width, channels } = network.input;
  const inputs = Float32Array.from({ length: batch * height * width * channels }, () => 60 * stream.normal());
  const labels = Uint8Array.from({ length: batch }, () => stream.below(network.outputs));
  return { network, layout, vector, inputs, labels };
}

/** The network with activations of this width, and a loss of which every number is another than the paper's. */
export function changed(network: Network, width: number): Network {
  const loss = { alpha1: 0.5, alpha2: 2, alpha3: 0.3, power: 3 };
  return {
    ...withSettings(network, { activation_width: width, loss }),
    name: `${network.name}, width ${width}`,
  };
}

/** MNIST's with so few channels, all of it changed; weights so large that one path alone carries a gradient. */
export function tinyNetwork(name: string, channels: number[], width: number): Network {
  const tiny = changed(withSettings(networkNamed("mnist", name), { channels }), width);
  const layers = tiny.layers.map((layer): Layer =>
    layer.kind === "convolution" && layer.name !== "conv1" ? { ...layer, deviation: 0.5 } : layer,
  );
  return { ...tiny, layers, name: `${name} of ${channels.join("-")} channels` };
}

/** A network with what the MNIST ones lack: several channels in, padding, oblong windows, an odd border at the pool. */
export function smallNetwork(name: ActivationName | null): Network {
  const model = networkNamed("mnist", name === null || name === "relu" ? "plain" : name);
  const conv = { kind: "convolution", rates: { weight: 1, bias: 1 }, deviation: 0.05 } as const;
  const act: Layer[] = name === null ? [] : [{ kind: "activation", activation: name }];
  return {
    ...model,
    name: `small-${name ?? "none"}`,
    input: { height: 9, width: 7, channels: 2 },
    outputs: 4,
    layers: [
      { ...conv, name: "padded", kernel: [3, 5], channels: 5, padding: [1, 1, 2, 2] },
      { kind: "batch-norm", name: "bn1" },
      ...act,
      { kind: "max-pool", size: 2, stride: 2, padding: [0, 0, 0, 0] },
      { ...conv, name: "bare", kernel: [2, 2], channels: 6, padding: [0, 0, 0, 0], deviation: 0.4 },
      ...act,
      { ...conv, name: "covers", kernel: [3, 2], channels: 5, padding: [0, 0, 0, 0], deviation: 0.4 },
      { kind: "batch-norm", name: "bn2" },
      { kind: "activation", activation: "relu" },
      { ...conv, name: "fc", kernel: [1, 1], channels: 4, padding: [0, 0, 0, 0], deviation: 0.1 },
    ],
  };
}

/** Pools of both kinds with padding that is the engines' own SAME, and with padding that is not. */
export function pooledNetwork(activation: ActivationName): Network {
  const conv = { kind: "convolution", rates: { weight: 1, bias: 1 }, deviation: 0.1 } as const;
  const around = [1, 1, 1, 1] as const;
  return {
    ...networkNamed("mnist", activation === "relu" ? "plain" : activation),
    name: `pooled-${activation}`,
    input: { height: 8, width: 9, channels: 2 },
    outputs: 4,
    layers: [
      { ...conv, name: "first", kernel: [3, 3], channels: 5, padding: around },
      { kind: "batch-norm", name: "bn1" },
      { kind: "activation", activation },
      { kind: "max-pool", size: 3, stride: 2, padding: [0, 1, 0, 1] },
      { ...conv, name: "second", kernel: [3, 3], channels: 6, padding: around },
      { kind: "batch-norm", name: "bn2" },
      { kind: "average-pool", size: 3, stride: 2, padding: [0, 1, 0, 1] },
      { ...conv, name: "third", kernel: [3, 3], channels: 4, padding: around },
      { kind: "max-pool", size: 2, stride: 1, padding: [1, 0, 0, 1] },
      { kind: "average-pool", size: 2, stride: 1, padding: [1, 1, 0, 1] },
      { ...conv, name: "fc", kernel: [3, 2], channels: 4, padding: [0, 0, 0, 0] },
    ],
  };
}

/** What a slot sends: gradients, moments, tail. */
export function pushOf(program: Program, { layout, inputs, labels }: Sample): Float32Array {
  const push = new Float32Array(layout.pushSize).fill(Number.NaN);
  program.train(inputs, labels, { add: (offset, values) => push.set(values, offset) });
  return push;
}

interface Slope {
  slope: number;
  /** Both sides agree: no kink of a pool or an activation lies within the step. */
  smooth: boolean;
}

/**
 * The derivative of a float64 function by central differences. The loss carries some 1e-14 of rounding, so a step of
 * 1e-7 leaves 1e-7 of error; a larger step of a weight would cross kinks of the 30,000 units behind it.
 */
function slopeOf(f: (change: number) => number, h: number): Slope {
  const [up, here, down] = [f(h), f(0), f(-h)];
  const [right, left] = [(up - here) / h, (here - down) / h];
  const slope = (up - down) / (2 * h);
  return { slope, smooth: Math.abs(right - left) < 1e-3 * (Math.abs(slope) + 1e-2) };
}
const WEIGHT_STEP = 1e-7;
/** Pixels have values of some 60. */
const PIXEL_STEP = 1e-5;

/**
 * Gradients in float32 against float64: sums of up to some 10,000 terms of either sign, errors measured by the largest
 * gradient of the tensor. Found on both engines: up to 3e-5.
 */
const TOLERANCE = 3e-4;

/** `floor`: what counts as no gradient at all beside the others. */
function assertSlopes(
  what: string,
  found: Float32Array,
  places: number[],
  slope: (place: number) => Slope,
  floor: number,
): void {
  const scale = found.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  let checked = 0;
  for (const place of places) {
    const expected = slope(place);
    if (!expected.smooth) continue;
    checked++;
    const difference = Math.abs((found[place] as number) - expected.slope);
    assert.ok(
      difference < TOLERANCE * Math.max(scale, floor),
      `${what}[${place}]: ${found[place]} is not ${expected.slope} (of ${scale})`,
    );
  }
  assert.ok(
    checked * 2 > places.length,
    `${what}: kinks at ${places.length - checked} of ${places.length} places`,
  );
}

function somePlaces(size: number, most: number, stream: RandomStream): number[] {
  if (size <= most) return [...new Array(size).keys()];
  return Array.from({ length: most }, () => stream.below(size));
}

export function programSuite(engineName: string, programs: Programs): void {
  const title = (text: string): string => `${engineName}: ${text}`;
  const programOf = (sample: Sample): Program => {
    const program = programs.create(sample.network, sample.layout);
    program.load(sample.vector);
    return program;
  };

  const networks = [
    ...[null, "relu", "mrelu", "rbf"].map((name) => ({
      network: smallNetwork(name as ActivationName | null),
      places: 40,
    })),
    ...(["relu", "mrelu", "rbf"] as const).map((name) => ({ network: pooledNetwork(name), places: 40 })),
    ...["plain", "mrelu", "rbf-m"].map((name) => ({ network: networkNamed("mnist", name), places: 3 })),
    { network: changed(smallNetwork("mrelu"), 0.5), places: 40 },
    { network: changed(smallNetwork("rbf"), 2.5), places: 40 },
    { network: tinyNetwork("mrelu", [1, 1, 1], 4), places: 20 },
    { network: tinyNetwork("rbf-m", [3, 2, 7], 2), places: 20 },
  ];
  for (const { network, places } of networks) {
    test(title(`${network.name}: outputs, loss, hits and moments are those of loops in float64`), () => {
      const sample = sampleOf(network);
      const program = programOf(sample);
      const push = pushOf(program, sample);
      const vector = Float64Array.from(sample.vector);
      const inputs = Float64Array.from(sample.inputs);
      const { outputs, moments } = naiveForward(network, sample.layout, vector, inputs, "batch");

      const pass = program.forward(sample.inputs, "batch");
      pass.outputs.forEach((value, i) =>
        assert.ok(Math.abs(value - (outputs[i] as number)) < 1e-4 * (1 + Math.abs(value))),
      );
      pass.dispose();

      const tail = push.subarray(sample.layout.size);
      const loss = naiveLoss(network.head, outputs, network.outputs, sample.labels);
      assert.ok(Math.abs((tail[TAIL.loss] as number) / loss - 1) < 1e-4, `${tail[TAIL.loss]} is not ${loss}`);
      const answers = [...sample.labels].map((_, i) => {
        const z = [...outputs.subarray(i * network.outputs, (i + 1) * network.outputs)];
        const merit = network.head.kind === "softmax" ? z : z.map((value) => -Math.abs(value));
        return merit.indexOf(Math.max(...merit));
      });
      assert.equal(tail[TAIL.hits], answers.filter((answer, i) => answer === sample.labels[i]).length);
      assert.equal(tail[TAIL.samples], BATCH);

      for (const tensor of sample.layout.tensors.filter(({ role }) => role === "moment")) {
        const expected = moments.get(tensor.name) as Float64Array;
        expected.forEach((value, c) => {
          const found = push[tensor.offset + c] as number;
          assert.ok(Math.abs(found - BATCH * value) < 1e-4 * (1 + Math.abs(found)), `${tensor.name}[${c}]`);
        });
      }
      program.dispose();
    });

    test(
      title(`${network.name}: every weight's gradient agrees with central differences of the loss`),
      () => {
        const sample = sampleOf(network);
        const program = programOf(sample);
        const push = pushOf(program, sample);
        const inputs = Float64Array.from(sample.inputs);
        const vector = Float64Array.from(sample.vector);
        const lossAt = (place: number) => (change: number) => {
          const before = vector[place] as number;
          vector[place] = before + change;
          const { outputs } = naiveForward(network, sample.layout, vector, inputs, "batch");
          vector[place] = before;
          return naiveLoss(network.head, outputs, network.outputs, sample.labels);
        };
        const stream = new RandomStream(SEED, "attack", 2);
        const weights = sample.layout.tensors.find(({ role }) => role === "moment")?.offset ?? 0;
        const largest = push.subarray(0, weights).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        const floor = 1e-3 * largest;
        network.layers.forEach((layer, i) => {
          const parts =
            { convolution: ["weight", "bias"], "batch-norm": ["scale", "shift"] }[layer.kind as string] ?? [];
          for (const part of parts) {
            const name = `${(layer as { name: string }).name}/${part}`;
            const { offset, size } = sample.layout.tensors.find((tensor) => tensor.name === name) as {
              offset: number;
              size: number;
            };
            const found = push.subarray(offset, offset + size);
            if (part === "bias" && network.layers[i + 1]?.kind === "batch-norm") {
              // Batch norm takes the bias off again: the derivative is zero, exactly.
              assert.ok(
                found.every((value) => value === 0),
                name,
              );
              continue;
            }
            assertSlopes(
              name,
              found,
              somePlaces(size, places, stream),
              (place) => slopeOf(lossAt(offset + place), WEIGHT_STEP),
              floor,
            );
          }
        });
        program.dispose();
      },
    );

    for (const statistics of ["batch", "stored"] as const) {
      test(
        title(
          `${network.name}: the images' gradient with ${statistics} statistics agrees with central differences`,
        ),
        () => {
          const sample = sampleOf(network);
          const program = programOf(sample);
          const pass = program.forward(sample.inputs, statistics);
          const gradient = new Float32Array(pass.outputs.length);
          const loss = lossOf(network.head);
          sample.labels.forEach((label, i) =>
            loss.gradient(pass.outputs, i * network.outputs, network.outputs, label, gradient),
          );
          const inputs = Float64Array.from(sample.inputs);
          const vector = Float64Array.from(sample.vector);
          const lossAt = (place: number) => (change: number) => {
            inputs[place] = (sample.inputs[place] as number) + change;
            const { outputs } = naiveForward(network, sample.layout, vector, inputs, statistics);
            inputs[place] = sample.inputs[place] as number;
            return naiveLoss(network.head, outputs, network.outputs, sample.labels);
          };
          const stream = new RandomStream(SEED, "attack", 3);
          const values = pass.inputGradient(gradient);
          assert.equal(values.length, inputs.length);
          assertSlopes(
            "image",
            values,
            somePlaces(inputs.length, places + 10, stream),
            (place) => slopeOf(lossAt(place), PIXEL_STEP),
            0,
          );
          pass.dispose();
          program.dispose();
        },
      );
    }

    test(
      title(`${network.name}: with stored moments forward and predict give the outputs of loops in float64`),
      () => {
        const sample = sampleOf(network);
        const program = programOf(sample);
        const pass = program.forward(sample.inputs, "stored");
        const predicted = program.predict(sample.inputs);
        const inputs = Float64Array.from(sample.inputs);
        const { outputs } = naiveForward(
          network,
          sample.layout,
          Float64Array.from(sample.vector),
          inputs,
          "stored",
        );
        const largest = outputs.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        outputs.forEach((value, i) => {
          assert.ok(Math.abs((pass.outputs[i] as number) - value) < 1e-4 * largest);
          assert.ok(Math.abs((predicted[i] as number) - value) < 1e-4 * largest);
        });
        pass.dispose();
        program.dispose();
      },
    );
  }

  test(
    title("training, measuring and attacking leave no tensor behind, and the parameters go with the engine"),
    () => {
      const before = programs.living().tensors;
      const sample = sampleOf(smallNetwork("mrelu"));
      const program = programOf(sample);
      const round = (): number => {
        pushOf(program, sample);
        program.predict(sample.inputs);
        const pass = program.forward(sample.inputs, "stored");
        for (let target = 0; target < 2; target++) {
          pass.inputGradient(new Float32Array(pass.outputs.length).fill(1));
        }
        pass.dispose();
        return programs.living().tensors;
      };
      const first = round();
      assert.equal(round(), first);
      program.load(sample.vector);
      assert.equal(round(), first);
      program.dispose();
      assert.equal(programs.living().tensors, before);
    },
  );

  test(title("new parameters take effect at once, and the caller's vector is its own again"), () => {
    const sample = sampleOf(smallNetwork("rbf"));
    const program = programOf(sample);
    const first = program.predict(sample.inputs);
    const vector = sample.vector.slice();
    for (let i = 0; i < vector.length; i++) vector[i] = (vector[i] as number) * 1.5;
    program.load(vector);
    vector.fill(Number.NaN);
    const second = program.predict(sample.inputs);
    assert.ok(second.every(Number.isFinite));
    assert.notDeepEqual(second, first);
    program.load(sample.vector);
    assert.deepEqual(program.predict(sample.inputs), first);
    program.dispose();
  });

  test(
    title(
      "a block has the bits of its slots computed one by one and summed along the tree, and again the same",
    ),
    () => {
      const sample = sampleOf(smallNetwork("mrelu"));
      const program = programOf(sample);
      const { network, layout } = sample;
      const count = 40;
      const { height, width, channels } = network.input;
      const imageSize = height * width * channels;
      const stream = new RandomStream(SEED, "attack", 4);
      const pixels = Uint8Array.from({ length: count * imageSize }, () => stream.below(256));
      const labels = Uint8Array.from({ length: count }, () => stream.below(4));
      const plan: StepPlan = { images: count, batchSize: 20, slots: 4, epochs: 1 };
      const images = {
        seed: 1,
        images: { pixels, labels, count, imageSize },
        realCount: count,
        realClasses: 10,
        mean: new Float32Array(imageSize).fill(128),
        augmentation: {},
      };
      const order = Uint32Array.from({ length: count }, (_, i) => (i * 7) % count);
      const context = { program, images, plan };
      const block = (first: number, slots: number): Float32Array => {
        const body = new Float32Array(layout.pushSize);
        computeSlots(
          context,
          order,
          1,
          { first, count: slots },
          new GradientAssembler(slots, [body], () => undefined),
        );
        return body;
      };

      const tree = new TreeSum(4, new BufferPool(layout.pushSize));
      for (let slot = 0; slot < 4; slot++) {
        const push = new Float32Array(layout.pushSize);
        const indices = order.subarray(20 + 5 * slot, 25 + 5 * slot);
        const { inputs, labels } = slotInputs(context, 0, indices);
        program.train(inputs, labels, { add: (offset, values) => push.set(values, offset) });
        assert.deepEqual(block(slot, 1), push);
        tree.add(4 + slot, push);
      }
      assert.deepEqual(block(0, 4), tree.root);
      const halves = new TreeSum(4, new BufferPool(layout.pushSize));
      halves.add(3, block(2, 2));
      halves.add(2, block(0, 2));
      assert.deepEqual(halves.root, tree.root);
      program.dispose();
    },
  );

  test(title("a network without parameters is refused"), () => {
    const sample = sampleOf(smallNetwork("relu"));
    const program = programs.create(sample.network, sample.layout);
    assert.throws(() => program.predict(sample.inputs), RangeError);
    program.dispose();
  });
}
