/** A data set in the coordinator's memory, cut into content-hashed parts. */
import { createHash } from "node:crypto";
import type { saf } from "../../../shared/messages.js";

export interface Split {
  /** Bytes 0..255, image after image, channels last. */
  pixels: Uint8Array;
  labels: Uint8Array;
}

export interface Dataset {
  name: string;
  height: number;
  width: number;
  channels: number;
  classes: number;
  train: Split;
  test: Split;
}

/** A part that workers fetch by its hash: [labels][pixels]. */
export interface Part {
  sha256: string;
  images: number;
  bytes: Uint8Array;
}

/** Images of one part: 4 MB of MNIST. */
const PART_IMAGES = 5000;

/** What is computed once of a data set; plain data, which can go from one thread to another. */
export interface PreparedDataset {
  dataset: Dataset;
  /** Per-pixel mean of the training images: METHOD.md 1.7. */
  meanImage: Float32Array;
  train: Part[];
  test: Part[];
}

export function prepareDataset(dataset: Dataset): PreparedDataset {
  const imageSize = dataset.height * dataset.width * dataset.channels;
  return {
    dataset,
    meanImage: meanImage(dataset.train.pixels, imageSize),
    train: partsOf(dataset.train, imageSize),
    test: partsOf(dataset.test, imageSize),
  };
}

export class PartitionedDataset {
  readonly dataset: Dataset;
  /** Per-pixel mean of the training images: METHOD.md 1.7. */
  readonly meanImage: Float32Array;
  readonly #train: Part[];
  readonly #test: Part[];
  readonly #byHash: ReadonlyMap<string, Part>;

  constructor(dataset: Dataset, prepared: PreparedDataset = prepareDataset(dataset)) {
    this.dataset = dataset;
    this.meanImage = prepared.meanImage;
    this.#train = prepared.train;
    this.#test = prepared.test;
    this.#byHash = new Map([...this.#train, ...this.#test].map((part) => [part.sha256, part]));
  }

  manifest(): saf.v1.DataManifest.$Properties {
    const { name, height, width, channels, classes } = this.dataset;
    const describe = (parts: Part[]): saf.v1.DataPart.$Properties[] =>
      parts.map(({ sha256, images, bytes }) => ({ sha256, images, byteLength: bytes.byteLength }));
    return {
      name,
      height,
      width,
      channels,
      classes,
      train: describe(this.#train),
      test: describe(this.#test),
      meanImage: new Uint8Array(this.meanImage.buffer),
    };
  }

  /** The bytes of a part, or undefined for another data set's. */
  part(sha256: string): Uint8Array | undefined {
    return this.#byHash.get(sha256)?.bytes;
  }

  /** One hash over everything: part of a run's identity. */
  get sha256(): string {
    return createHash("sha256")
      .update([...this.#byHash.keys()].join(" "))
      .digest("hex");
  }
}

function partsOf({ pixels, labels }: Split, imageSize: number): Part[] {
  const parts: Part[] = [];
  for (let first = 0; first < labels.length; first += PART_IMAGES) {
    const images = Math.min(PART_IMAGES, labels.length - first);
    const bytes = new Uint8Array(images * (1 + imageSize));
    bytes.set(labels.subarray(first, first + images));
    bytes.set(pixels.subarray(first * imageSize, (first + images) * imageSize), images);
    parts.push({ sha256: createHash("sha256").update(bytes).digest("hex"), images, bytes });
  }
  return parts;
}

function meanImage(pixels: Uint8Array, imageSize: number): Float32Array {
  const sums = new Float64Array(imageSize);
  for (let start = 0; start < pixels.length; start += imageSize) {
    for (let p = 0; p < imageSize; p++) sums[p] = (sums[p] ?? NaN) + (pixels[start + p] ?? NaN);
  }
  const images = pixels.length / imageSize;
  return Float32Array.from(sums, (sum) => sum / images);
}
