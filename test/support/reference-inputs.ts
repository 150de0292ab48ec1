/**
 * The inputs of the PyTorch references, by the formulas in `test/fixtures/torch-step/saf_reference.py`: weights, moments,
 * images, labels, sample positions and signs, the same bits in both languages and no stored array.
 */

const IMAGE = 1;
const NOISE = 2;
const LABEL = 3;
const POSITION = 4;
const SIGN = 5;

export const SAMPLES = 128;
export const PROJECTIONS = 16;
const PIXELS = 28 * 28;

export interface TensorSpec {
  name: string;
  shape: number[];
}

export interface ReferenceNet {
  /** K, the outputs of the last layer. */
  outputs: number;
  /** Which weights; each case of a reference names its own. */
  seed: number;
  /** Whether the biases in front of batch norm start away from zero. */
  biased?: boolean;
  /** Whether the moments are those of the attack reference, which uses them; else 0 and 1. */
  usedMoments?: boolean;
}

function mix(value: number): number {
  let x = value >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** An unsigned 32-bit number. */
export function hash(stream: number, index: number): number {
  return mix(mix(index) ^ mix(stream + 0x9e3779b9));
}

/** Nearly normal integers in [-131070, 131070]: mean 0, standard deviation 37837. */
export function bell(stream: number, index: number): number {
  const a = hash(stream, 2 * index);
  const b = hash(stream, 2 * index + 1);
  return (a & 0xffff) + (a >>> 16) + (b & 0xffff) + (b >>> 16) - 131070;
}

/** All tensors in the order that numbers them: parameters, then moments. Convolutions are height, width, in, out. */
export function tensorSpecs(outputs: number): TensorSpec[] {
  const kernels = [
    [5, 5, 1, 20],
    [5, 5, 20, 50],
    [4, 4, 50, 500],
  ];
  const layers = kernels.flatMap((shape, i) => {
    const channels = shape.slice(3);
    return [
      { name: `conv${i + 1}/weight`, shape },
      { name: `conv${i + 1}/bias`, shape: channels },
      { name: `bn${i + 1}/scale`, shape: channels },
      { name: `bn${i + 1}/shift`, shape: channels },
    ];
  });
  const moments = kernels.flatMap((shape, i) => [
    { name: `bn${i + 1}/mean`, shape: shape.slice(3) },
    { name: `bn${i + 1}/deviation`, shape: shape.slice(3) },
  ]);
  const dense = [
    { name: "fc/weight", shape: [500, outputs] },
    { name: "fc/bias", shape: [outputs] },
  ];
  return [...layers, ...dense, ...moments];
}

/** The number of a tensor in `tensorSpecs`: its streams are made from it. */
export function tensorNumber(name: string): number {
  const number = tensorSpecs(1).findIndex((spec) => spec.name === name);
  if (number < 0) throw new Error(`No tensor is named "${name}"`);
  return number;
}

/** The initial value of one element as a function of its bell-shaped integer; every result is exact in float32. */
function initialValue(name: string, net: ReferenceNet): (integer: number) => number {
  const [layer, kind] = name.split("/");
  const base = layer === "bn1" ? 64 : 1;
  if (kind === "scale") return (integer) => 1 + (integer * 22) / 2 ** 23;
  if (kind === "shift") return (integer) => (integer * 22) / 2 ** 23;
  if (kind === "mean") return net.usedMoments ? (integer) => ((base / 2) * integer) / 2 ** 17 : () => 0;
  if (kind === "deviation") return net.usedMoments ? (integer) => base * (1 + integer / 2 ** 19) : () => 1;
  if (kind === "bias" && layer !== "fc" && !net.biased) return () => 0;
  const factor = name === "conv1/weight" ? 44 : 11;
  return (integer) => (integer * factor) / 2 ** 23;
}

/** A weight, bias, scale, shift or moment before the first step, row-major. */
export function initialTensor(name: string, net: ReferenceNet): Float32Array {
  const number = tensorNumber(name);
  const size = tensorSpecs(net.outputs)[number]!.shape.reduce((product, n) => product * n, 1);
  const stream = 0x100 + 0x20 * net.seed + number;
  const value = initialValue(name, net);
  return Float32Array.from({ length: size }, (_, i) => value(bell(stream, i)));
}

/** Image `n`, 28 x 28, row-major: four discs and noise. */
export function image(n: number): Uint8Array {
  const discs = [0, 1, 2, 3].map((disc) => {
    const h = hash(IMAGE, 8 * n + disc);
    return {
      x: 4 + ((h & 255) % 20),
      y: 4 + (((h >>> 8) & 255) % 20),
      squaredRadius: 9 + (((h >>> 16) & 255) % 56),
      height: 96 + ((h >>> 24) % 160),
    };
  });
  return Uint8Array.from({ length: PIXELS }, (_, i) => {
    let value = hash(NOISE, PIXELS * n + i) & 31;
    for (const { x, y, squaredRadius, height } of discs) {
      const distance = ((i % 28) - x) ** 2 + (Math.floor(i / 28) - y) ** 2;
      if (distance < squaredRadius)
        value += Math.floor((height * (squaredRadius - distance)) / squaredRadius);
    }
    return Math.min(value, 255);
  });
}

/** The mean image, in quarters: exact in float32. */
export function meanImage(): Float32Array {
  return Float32Array.from({ length: PIXELS }, (_, i) => {
    const distance = (2 * (i % 28) - 27) ** 2 + (2 * Math.floor(i / 28) - 27) ** 2;
    return (40 + Math.floor((400 * Math.max(0, 900 - distance)) / 900)) / 4;
  });
}

/** Images `first` to `first + count - 1` minus the mean image: [count, 28, 28, 1], what the network sees. */
export function networkInputs(first: number, count: number): Float32Array {
  const mean = meanImage();
  const inputs = new Float32Array(count * PIXELS);
  for (let n = 0; n < count; n++) {
    image(first + n).forEach((pixel, i) => {
      inputs[n * PIXELS + i] = pixel - mean[i]!;
    });
  }
  return inputs;
}

/** Classes of images `first` to `first + count - 1`, below `outputs`. */
export function labels(first: number, count: number, outputs: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => hash(LABEL, first + i) % outputs);
}

/** Indices of the stored entries of a tensor. */
export function samplePositions(name: string, size: number): Uint32Array {
  if (size <= SAMPLES) return Uint32Array.from({ length: size }, (_, i) => i);
  const number = tensorNumber(name);
  return Uint32Array.from({ length: SAMPLES }, (_, k) => hash(POSITION, 256 * number + k) % size);
}

/** Sixteen signs for an element's index: bit p set means + in projection p. */
export function signsOf(name: string): (index: number) => number {
  const stream = SIGN + 0x1000 * tensorNumber(name);
  return (index) => hash(stream, index) & 0xffff;
}
