import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { type Dataset, PartitionedDataset } from "../../../../coordinator/io/datasets/dataset.js";
import { wire } from "../../../../shared/messages.js";

const IMAGE = 6; // 2 x 3 x 1

function datasetOf(train: number, testing: number, shade = 0): Dataset {
  const split = (count: number, first: number): Dataset["train"] => ({
    pixels: Uint8Array.from(
      { length: count * IMAGE },
      (_, i) => (first + i * 37 + Math.floor(i / 999)) & 255,
    ),
    labels: Uint8Array.from({ length: count }, (_, i) => (i * 7 + Math.floor(i / 13) + first) % 10),
  });
  return {
    name: "tiny",
    height: 2,
    width: 3,
    channels: 1,
    classes: 10,
    train: split(train, shade),
    test: split(testing, 3),
  };
}

/** Parts as a worker reads them, nothing missing. */
const partsOf = (
  dataset: PartitionedDataset,
  split: "train" | "test",
): { sha256: string; images: number; byteLength: number }[] =>
  wire.DataManifest.decode(wire.DataManifest.encode(dataset.manifest()).finish())[split].map((part) => ({
    sha256: part.sha256 ?? "",
    images: part.images ?? 0,
    byteLength: part.byteLength ?? 0,
  }));

test("the parts in the manifest hold every image once, in order, labels first, under their own hash", () => {
  const dataset = datasetOf(12_001, 5000);
  const partitioned = new PartitionedDataset(dataset);
  const manifest = partitioned.manifest();
  assert.deepEqual(
    [manifest.name, manifest.height, manifest.width, manifest.channels, manifest.classes],
    ["tiny", 2, 3, 1, 10],
  );
  for (const [name, sizes] of [
    ["train", [5000, 5000, 2001]],
    ["test", [5000]],
  ] as const) {
    const labels: number[] = [];
    const pixels: number[] = [];
    const parts = partsOf(partitioned, name);
    assert.deepEqual(
      parts.map(({ images }) => images),
      sizes,
    );
    for (const { sha256, images, byteLength } of parts) {
      assert.equal(byteLength, images * (1 + IMAGE));
      const body = partitioned.part(sha256) as Uint8Array;
      assert.equal(createHash("sha256").update(body).digest("hex"), sha256);
      labels.push(...body.subarray(0, images));
      pixels.push(...body.subarray(images));
    }
    assert.deepEqual(Uint8Array.from(labels), dataset[name].labels);
    assert.deepEqual(Uint8Array.from(pixels), dataset[name].pixels);
  }
});

test("the mean image is the mean of the training images, pixel by pixel", () => {
  const dataset = datasetOf(1000, 10);
  const { meanImage } = new PartitionedDataset(dataset);
  for (let p = 0; p < IMAGE; p++) {
    let sum = 0;
    for (let image = 0; image < 1000; image++) sum += dataset.train.pixels[image * IMAGE + p] as number;
    assert.equal(meanImage[p], Math.fround(sum / 1000));
  }
  const sent = new PartitionedDataset(dataset).manifest().meanImage as Uint8Array;
  assert.deepEqual(new Float32Array(sent.buffer, sent.byteOffset, sent.byteLength / 4), meanImage);
});

test("the hash of a data set changes with any pixel or label, and with nothing else", () => {
  const hash = (change: (dataset: Dataset) => void): string => {
    const dataset = datasetOf(6000, 100);
    change(dataset);
    return new PartitionedDataset(dataset).sha256;
  };
  const original = hash(() => undefined);
  assert.equal(
    hash(() => undefined),
    original,
  );
  const changed = [
    hash(({ train }) => (train.pixels[35_999] = 1 ^ (train.pixels[35_999] as number))),
    hash(({ train }) => (train.labels[0] = 9)),
    hash(({ test: testing }) => (testing.labels[99] = 11)),
  ];
  assert.equal(new Set([original, ...changed]).size, 4);
});
