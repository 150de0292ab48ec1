/** Small networks to attack: a linear one, whose nearest wrong answers are known by algebra, and one with all layers. */
import type { Norm } from "../../../shared/results.js";
import { type Layer, type Network, layoutOf } from "../../../shared/networks/network.js";
import { networkNamed } from "../../../shared/networks/registry.js";
import { RandomStream } from "../../../shared/random.js";
import { answerOf } from "../../../worker/core/attack-losses.js";
import { attackedModel } from "../../../worker/attacks/attacked-model.js";
import type { AttackRequest, AttackedModel } from "../../../worker/attacks/attack.js";
import type { Program, Programs, Statistics } from "../../../worker/engine/program.js";
import { loadedProgram } from "../../support/programs.js";

export const SEED = 20_161_603;

export interface Victim {
  model: AttackedModel;
  program: Program;
}

const CONVOLUTION = {
  kind: "convolution",
  padding: [0, 0, 0, 0],
  rates: { weight: 1, bias: 1 },
  deviation: 0.1,
} as const;

const EXTENT = { height: 9, width: 8, channels: 1 };
export const PIXELS = EXTENT.height * EXTENT.width * EXTENT.channels;

/** One convolution that covers the image, a softmax head. Logits span about 1 over the pixel range. */
export function linearVictim(
  programs: Programs,
  outputs: number,
): Victim & { weights: Float32Array; bias: Float32Array } {
  const network: Network = {
    ...networkNamed("mnist", "plain"),
    name: "linear",
    input: EXTENT,
    outputs,
    realClasses: outputs,
    layers: [{ ...CONVOLUTION, name: "covers", kernel: [EXTENT.height, EXTENT.width], channels: outputs }],
  };
  const layout = layoutOf(network);
  const stream = new RandomStream(SEED, "initialisation", outputs);
  const weights = Float32Array.from({ length: PIXELS * outputs }, () => (0.6 * stream.normal()) / 255);
  const mean = Float32Array.from({ length: PIXELS }, () => 100 + 50 * stream.uniform());
  const bias = Float32Array.from({ length: outputs }, () => 0.1 * stream.normal());
  const vector = new Float32Array(layout.size);
  for (const { name, offset } of layout.tensors) vector.set(name.endsWith("bias") ? bias : weights, offset);
  const program = loadedProgram(programs, network, vector);
  return { model: attackedModel(program, mean), program, weights, bias };
}

/** Two convolutions with batch norm and an activation, and a head: every kind of layer, some 500 weights. */
export function smallVictim(
  programs: Programs,
  name: "plain" | "mrelu" | "rbf",
  { statistics = "stored", nonsense = 0 }: { statistics?: Statistics; nonsense?: number } = {},
): Victim {
  const activation: Layer = { kind: "activation", activation: name === "plain" ? "relu" : name };
  const network: Network = {
    ...networkNamed("mnist", name),
    name: `small-${name}`,
    input: EXTENT,
    outputs: 5 + nonsense,
    realClasses: 5,
    layers: [
      { ...CONVOLUTION, name: "conv1", kernel: [2, 3], channels: 6 },
      { kind: "batch-norm", name: "bn1" },
      activation,
      { kind: "max-pool", size: 2, stride: 2, padding: [0, 0, 0, 0] },
      { ...CONVOLUTION, name: "conv2", kernel: [4, 3], channels: 12 },
      { kind: "batch-norm", name: "bn2" },
      activation,
      { ...CONVOLUTION, name: "fc", kernel: [1, 1], channels: 5 + nonsense },
    ],
  };
  const layout = layoutOf(network);
  const stream = new RandomStream(SEED, "initialisation", 100 + nonsense, name.length);
  const vector = new Float32Array(layout.size);
  for (const { name: tensor, offset, size } of layout.tensors) {
    const part = tensor.split("/")[1];
    const scale: Record<string, number> = { weight: tensor.startsWith("conv1") ? 0.4 : 0.5, bias: 0.2 };
    for (let i = offset; i < offset + size; i++) {
      if (part === "scale") vector[i] = 1 + 0.2 * stream.normal();
      else if (part === "deviation") vector[i] = tensor.startsWith("bn1") ? 60 : 1;
      else vector[i] = (scale[part as string] ?? 0.2) * stream.normal();
    }
  }
  const program = loadedProgram(programs, network, vector);
  return {
    model: attackedModel(program, new Float32Array(PIXELS).fill(120), statistics),
    program,
  };
}

/** Images in [low, 1 − low], labelled as the network answers them: all are right to begin with. */
export function rightlyAnswered(
  model: AttackedModel,
  count: number,
  low = 0,
): Omit<AttackRequest, "options"> {
  const stream = new RandomStream(SEED, "nonsense", model.outputs);
  const images = Float32Array.from(
    { length: count * model.imageSize },
    () => low + (1 - 2 * low) * stream.uniform(),
  );
  const logits = model.logits(images);
  return {
    model,
    images,
    labels: Uint8Array.from({ length: count }, (_, i) => answerOf(logits, i, model.outputs)),
    indices: Uint32Array.from({ length: count }, (_, i) => 1000 + i),
    seed: SEED,
    norm: "linf",
    epsilon: 0.1,
  };
}

/**
 * How far a linear network's images are from their nearest wrong answer, where the box [0, 1] does not matter: the
 * smallest of gap / dual norm of the slope's difference, over the wrong classes.
 */
export function linearDistances(
  { model, weights }: ReturnType<typeof linearVictim>,
  { images, labels }: Pick<AttackRequest, "images" | "labels">,
  norm: Norm,
): Float64Array {
  const { outputs } = model;
  const logits = model.logits(images);
  return Float64Array.from(labels, (label, i) => {
    let nearest = Infinity;
    for (let j = 0; j < outputs; j++) {
      if (j === label) continue;
      const gap = (logits[i * outputs + label] as number) - (logits[i * outputs + j] as number);
      let dual = 0;
      for (let p = 0; p < PIXELS; p++) {
        const slope = 255 * ((weights[p * outputs + j] as number) - (weights[p * outputs + label] as number));
        dual += norm === "linf" ? Math.abs(slope) : slope * slope;
      }
      nearest = Math.min(nearest, gap / (norm === "linf" ? dual : Math.sqrt(dual)));
    }
    return nearest;
  });
}

/**
 * One SAF unit that is flat around every image: u = 16·(mean pixel − 0.6), logits 0.5 and 4·max(0, 1 − |u|). Grey images
 * have u = −1.6 and no gradient at all; 0.1 brighter is u = 0, and the second class.
 */
export function maskedVictim(programs: Programs): Victim {
  const network: Network = {
    ...networkNamed("mnist", "plain"),
    name: "masked",
    input: EXTENT,
    outputs: 2,
    realClasses: 2,
    layers: [
      { ...CONVOLUTION, name: "unit", kernel: [EXTENT.height, EXTENT.width], channels: 1 },
      { kind: "activation", activation: "mrelu" },
      { ...CONVOLUTION, name: "fc", kernel: [1, 1], channels: 2 },
    ],
  };
  const layout = layoutOf(network);
  const vector = new Float32Array(layout.size);
  const values: Record<string, number[]> = {
    "unit/weight": new Array<number>(PIXELS).fill(16 / 255 / PIXELS),
    "unit/bias": [-16 * 0.6],
    "fc/weight": [0, 4],
    "fc/bias": [0.5, 0],
  };
  for (const { name, offset } of layout.tensors) vector.set(values[name] ?? [], offset);
  const program = loadedProgram(programs, network, vector);
  return { model: attackedModel(program, new Float32Array(PIXELS)), program };
}
