/**
 * A second implementation of the networks, to compare with: loops over plain arrays in float64, written from METHOD.md,
 * sharing no code with the engine but the description of the layers. Slow; for batches of a few images.
 */
import type { Layout } from "../../../shared/core/layout.js";
import type { Head, Layer, Network, Padding } from "../../../shared/networks/network.js";

export interface NaiveResult {
  /** [batch x outputs] */
  outputs: Float64Array;
  /** Batch moments of each batch norm, by parameter name, not multiplied by anything. */
  moments: Map<string, Float64Array>;
}

interface Images {
  count: number;
  height: number;
  width: number;
  channels: number;
  values: Float64Array;
}

export function naiveForward(
  network: Network,
  layout: Layout,
  vector: Float64Array,
  input: Float64Array,
  statistics: "batch" | "stored",
): NaiveResult {
  const tensor = (name: string): Float64Array => {
    const { offset, size } = layout.tensors.find((candidate) => candidate.name === name) ?? {
      offset: 0,
      size: 0,
    };
    return vector.subarray(offset, offset + size);
  };
  const { height, width, channels } = network.input;
  let images: Images = {
    count: input.length / (height * width * channels),
    height,
    width,
    channels,
    values: input,
  };
  const moments = new Map<string, Float64Array>();
  for (const layer of network.layers) {
    if (layer.kind === "convolution") {
      const weight = tensor(`${layer.name}/weight`);
      images = convolve(
        images,
        weight,
        tensor(`${layer.name}/bias`),
        layer.kernel,
        layer.channels,
        layer.padding,
      );
    } else if (layer.kind === "batch-norm") {
      images = normalise(images, layer.name, tensor, statistics, moments);
    } else if (layer.kind === "activation") {
      const f = { relu: (x: number) => Math.max(0, x), mrelu: (x: number) => Math.max(0, 1 - Math.abs(x)), rbf: (x: number) => Math.exp(-x * x) }; // prettier-ignore
      const { activation, width = 1 } = layer;
      images = { ...images, values: images.values.map((x) => f[activation](x / width)) };
    } else images = pool(images, layer);
  }
  return { outputs: images.values, moments };
}

/** Sum over the batch of the loss as METHOD.md 1.3 prints it, tau left out. */
export function naiveLoss(head: Head, outputs: Float64Array, count: number, labels: Uint8Array): number {
  let total = 0;
  labels.forEach((label, i) => {
    const z = [...outputs.subarray(i * count, (i + 1) * count)];
    if (head.kind === "softmax") {
      total += Math.log(z.reduce((sum, value) => sum + Math.exp(value), 0)) - (z[label] as number);
      return;
    }
    const { alpha1, alpha2, alpha3, power } = head.loss;
    const y = z.map((value) => Math.exp(-value * value));
    const right = y[label] as number;
    total +=
      alpha1 * (Math.log(y.reduce((sum, value) => sum + value, 0)) - Math.log(right)) +
      alpha2 * (1 - right) ** power;
    y.forEach((value, j) => (total += j === label ? 0 : alpha3 * value ** power));
  });
  return total;
}

function convolve(
  { count, height, width, channels, values }: Images,
  weight: Float64Array,
  bias: Float64Array,
  [kernelHeight, kernelWidth]: readonly [number, number],
  outputChannels: number,
  [top, bottom, left, right]: Padding,
): Images {
  const outputHeight = height + top + bottom - kernelHeight + 1;
  const outputWidth = width + left + right - kernelWidth + 1;
  const output = new Float64Array(count * outputHeight * outputWidth * outputChannels);
  for (let image = 0; image < count; image++) {
    for (let row = 0; row < outputHeight; row++) {
      for (let column = 0; column < outputWidth; column++) {
        const at = ((image * outputHeight + row) * outputWidth + column) * outputChannels;
        for (let o = 0; o < outputChannels; o++) output[at + o] = bias[o] as number;
        for (let dy = 0; dy < kernelHeight; dy++) {
          const y = row + dy - top;
          if (y < 0 || y >= height) continue;
          for (let dx = 0; dx < kernelWidth; dx++) {
            const x = column + dx - left;
            if (x < 0 || x >= width) continue;
            for (let c = 0; c < channels; c++) {
              const value = values[((image * height + y) * width + x) * channels + c] as number;
              const w = ((dy * kernelWidth + dx) * channels + c) * outputChannels;
              for (let o = 0; o < outputChannels; o++) {
                output[at + o] = (output[at + o] as number) + value * (weight[w + o] as number);
              }
            }
          }
        }
      }
    }
  }
  return { count, height: outputHeight, width: outputWidth, channels: outputChannels, values: output };
}

function normalise(
  images: Images,
  name: string,
  tensor: (name: string) => Float64Array,
  statistics: "batch" | "stored",
  moments: Map<string, Float64Array>,
): Images {
  const { channels, values } = images;
  const n = values.length / channels;
  const mean = new Float64Array(channels);
  const deviation = new Float64Array(channels);
  if (statistics === "batch") {
    values.forEach((value, i) => (mean[i % channels] = (mean[i % channels] as number) + value / n));
    values.forEach((value, i) => {
      deviation[i % channels] =
        (deviation[i % channels] as number) + (value - (mean[i % channels] as number)) ** 2 / n;
    });
    deviation.forEach((variance, c) => (deviation[c] = Math.sqrt(variance + 1e-4)));
    moments.set(`${name}/mean`, mean);
    moments.set(`${name}/deviation`, deviation);
  } else {
    mean.set(tensor(`${name}/mean`));
    deviation.set(tensor(`${name}/deviation`));
  }
  const [scale, shift] = [tensor(`${name}/scale`), tensor(`${name}/shift`)];
  const normal = values.map((value, i) => {
    const c = i % channels;
    return (
      ((value - (mean[c] as number)) / (deviation[c] as number)) * (scale[c] as number) + (shift[c] as number)
    );
  });
  return { ...images, values: normal };
}

/** Cells beyond the image take no part: neither in the greatest value nor in the mean. */
function pool(
  { count, height, width, channels, values }: Images,
  { kind, size, stride, padding }: Extract<Layer, { size: number }>,
): Images {
  const [top, bottom, left, right] = padding;
  const outputHeight = Math.floor((height + top + bottom - size) / stride) + 1;
  const outputWidth = Math.floor((width + left + right - size) / stride) + 1;
  const output = new Float64Array(count * outputHeight * outputWidth * channels);
  for (let at = 0; at < output.length; at++) {
    const c = at % channels;
    const column = Math.floor(at / channels) % outputWidth;
    const row = Math.floor(at / (channels * outputWidth)) % outputHeight;
    const image = Math.floor(at / (channels * outputWidth * outputHeight));
    const window: number[] = [];
    for (let y = row * stride - top; y < row * stride - top + size; y++) {
      for (let x = column * stride - left; x < column * stride - left + size; x++) {
        if (y < 0 || y >= height || x < 0 || x >= width) continue;
        window.push(values[((image * height + y) * width + x) * channels + c] as number);
      }
    }
    output[at] =
      kind === "max-pool" ? Math.max(...window) : window.reduce((sum, v) => sum + v, 0) / window.length;
  }
  return { count, height: outputHeight, width: outputWidth, channels, values: output };
}
