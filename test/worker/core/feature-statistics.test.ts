import assert from "node:assert/strict";
import { test } from "node:test";
import { HISTOGRAM_BINS, JOINT_BINS, featureCountsSchema, featureTaps } from "../../../shared/features.js";
import { networkNamed } from "../../../shared/networks/registry.js";
import {
  PlaceCounter,
  binOf,
  chosenChannels,
  isSuppressed,
  rangeOf,
} from "../../../worker/core/feature-statistics.js";

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

test("a unit is suppressed where its activation answers nothing", () => {
  assert.deepEqual(
    [-1, 0, 0.1].map((x) => isSuppressed("relu", x)),
    [true, true, false],
  );
  assert.deepEqual(
    [-1.5, -1, -0.99, 0, 1, 2].map((x) => isSuppressed("mrelu", x)),
    [true, true, false, false, true, true],
  );
  // exp(−x²) = 0.01 at |x| = sqrt(ln 100) = 2.14597.
  assert.deepEqual(
    [2.1459, 2.146, -2.146].map((x) => isSuppressed("rbf", x)),
    [false, true, true],
  );
  assert.deepEqual(
    [1.99, 2, -2].map((x) => isSuppressed("mrelu", x, 2)),
    [false, true, true],
  );
  assert.deepEqual(
    [4.2918, 4.292].map((x) => isSuppressed("rbf", x, 2)),
    [false, true],
  );
});

test("bins are half open, and what lies outside falls into the ends", () => {
  const range = { low: 0, high: 4 };
  assert.deepEqual(
    [0, 0.99, 1, 3.99, 4, 9, -9, NaN].map((x) => binOf(x, range, 4)),
    [0, 0, 1, 3, 3, 3, 0, 0],
  );
});

test("a range leaves the tails out and is never empty", () => {
  const values = Array.from({ length: 1000 }, (_, i) => i);
  assert.deepEqual(rangeOf([...values, 1e9, -1e9, NaN]), { low: 1, high: 998 });
  assert.deepEqual(rangeOf([3, 3]), { low: 2.5, high: 3.5 });
  assert.deepEqual(rangeOf([]), { low: -0.5, high: 0.5 });
});

test("channels are spread evenly over all", () => {
  assert.deepEqual(chosenChannels(20), [0, 5, 10, 15]);
  assert.deepEqual(chosenChannels(3), [0, 1, 2]);
});

test("a place counts every value once, by channel, by pair and in all", () => {
  // Two channels, four positions: channel 1 is channel 0 mirrored.
  const clean = Float32Array.of(0, 0, 0.25, -0.25, 2, -2, -0.5, 0.5);
  const nonsense = Float32Array.of(3, -3, 3, -3);
  const counter = new PlaceCounter({ layer: "conv", activation: "mrelu", depth: 2 }, 8, 2, [clean, nonsense]);
  counter.add("clean", clean.subarray(0, 4));
  counter.add("clean", clean.subarray(4));
  counter.add("nonsense", nonsense);
  const place = counter.result();

  assert.deepEqual([sum(place.all.clean), sum(place.all.nonsense)], [8, 4]);
  assert.deepEqual(
    place.single.map(({ channel, clean: own }) => [channel, sum(own)]),
    [
      [0, 4],
      [1, 4],
    ],
  );
  assert.deepEqual(place.suppressed, { clean: 2 / 8, nonsense: 1 });
  const [pair] = place.pairs;
  assert.ok(pair);
  assert.deepEqual([pair.channels, sum(pair.clean), sum(pair.nonsense)], [[0, 1], 4, 2]);
  // Mirrored channels: nonsense lies at the far right of channel 0 and the far left of channel 1.
  assert.equal(pair.nonsense[JOINT_BINS - 1], 2);
  featureCountsSchema.parse({ images: 1, places: [place] });
});

test("without an activation nothing is called suppressed", () => {
  const values = Float32Array.of(-5, 5);
  const counter = new PlaceCounter({ layer: "conv1", activation: null, depth: 2 }, 2, 1, [values]);
  counter.add("clean", values);
  assert.equal(counter.result().suppressed, null);
  assert.equal(counter.result().all.clean.length, HISTOGRAM_BINS);
});

test("a network is looked at in front of each activation, and where there is none behind batch norm", () => {
  assert.deepEqual(featureTaps(networkNamed("mnist", "mrelu-r-m")), [
    { layer: "conv1", activation: "mrelu", depth: 2 },
    { layer: "conv2", activation: "mrelu", depth: 6 },
    { layer: "conv3", activation: "relu", depth: 10 },
  ]);
  assert.deepEqual(featureTaps(networkNamed("mnist", "plain")), [
    { layer: "conv1", activation: null, depth: 2 },
    { layer: "conv2", activation: null, depth: 5 },
    { layer: "conv3", activation: "relu", depth: 8 },
  ]);
});
