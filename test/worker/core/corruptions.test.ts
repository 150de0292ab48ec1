import assert from "node:assert/strict";
import { test } from "node:test";
import { CORRUPTIONS, type CorruptionName, SEVERITIES, corrupt } from "../../../worker/core/corruptions.js";

const EXTENT = { height: 21, width: 21, channels: 2 };
const NAMES = Object.keys(CORRUPTIONS) as CorruptionName[];

function imageOf(value: (y: number, x: number, c: number) => number): Float32Array {
  const { height, width, channels } = EXTENT;
  return Float32Array.from({ length: height * width * channels }, (_, p) =>
    value(Math.floor(p / channels / width), Math.floor(p / channels) % width, p % channels),
  );
}
const picture = imageOf((y, x, c) => (Math.hypot(y - 9, x - 12) < 6 ? 0.8 : 0.2) + 0.05 * c);
const apply = (name: CorruptionName, image: Float32Array, severity: number, index = 0): Float32Array =>
  corrupt(name, image, EXTENT, severity, 11, index);
const meanOf = (values: Float32Array): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const change = (a: Float32Array, b: Float32Array): number =>
  Math.sqrt(a.reduce((sum, value, p) => sum + (value - (b[p] as number)) ** 2, 0));

for (const name of NAMES) {
  test(`${name}: a pure function with values in [0, 1] that leaves its input alone`, () => {
    const before = picture.slice();
    for (let severity = 1; severity <= SEVERITIES; severity++) {
      const out = apply(name, picture, severity);
      assert.ok(out.every((value) => value >= 0 && value <= 1));
      assert.deepEqual(apply(name, picture, severity), out);
    }
    assert.deepEqual(picture, before);
  });

  test(`${name}: severer is farther from the image, over many images`, () => {
    const means = Array.from({ length: SEVERITIES }, (_, severity) => {
      let sum = 0;
      for (let index = 0; index < 20; index++)
        sum += change(apply(name, picture, severity + 1, index), picture);
      return sum;
    });
    means.forEach((mean, k) => assert.ok(k === 0 || mean > (means[k - 1] as number), `${means.join(", ")}`));
  });
}

test("blur, contrast, rotation and translation leave a flat image flat", () => {
  const flat = imageOf((_y, _x, c) => 0.25 + 0.5 * c);
  for (const name of ["gaussian-blur", "contrast", "rotation", "translation"] as const) {
    apply(name, flat, 5).forEach((value, p) => assert.ok(Math.abs(value - (flat[p] as number)) < 1e-6, name));
  }
});

test("translation moves every pixel by the severity along both axes", () => {
  const out = apply("translation", picture, 3);
  const at = (image: Float32Array, y: number, x: number): number => image[(y * 21 + x) * 2] as number;
  const shifts = [-3, 3].flatMap((dy) => [-3, 3].map((dx) => [dy, dx] as const));
  const fits = shifts.filter(([dy, dx]) => {
    for (let y = 4; y < 17; y++)
      for (let x = 4; x < 17; x++) if (at(out, y, x) !== at(picture, y - dy, x - dx)) return false;
    return true;
  });
  assert.equal(fits.length, 1);
});

test("rotation turns by the angle, to either side: a bar comes to lie where trigonometry says", () => {
  const bar = imageOf((y, x) => (Math.abs(x - 10) < 2 && y < 10 ? 1 : 0));
  const sides = new Set<number>();
  for (let index = 0; index < 10; index++) {
    const out = apply("rotation", bar, 5, index);
    // Centre of mass of what is there, relative to the middle.
    let [mass, momentY, momentX] = [0, 0, 0];
    out.forEach((value, p) => {
      if (p % 2 === 1) return;
      mass += value;
      momentY += value * (Math.floor(p / 42) - 10);
      momentX += value * (((p / 2) % 21) - 10);
    });
    const angle = (Math.atan2(momentX / mass, -momentY / mass) * 180) / Math.PI;
    assert.ok(Math.abs(Math.abs(angle) - 30) < 2, `${angle} degrees`);
    sides.add(Math.sign(angle));
  }
  assert.equal(sides.size, 2);
});

test("noise has the deviation it says; photons have the variance of their mean", () => {
  const grey = imageOf(() => 0.5);
  const n = 40 * grey.length;
  for (const [name, variance] of [
    ["gaussian-noise", 0.08 ** 2],
    ["shot-noise", 0.5 / 25],
  ] as const) {
    let [sum, square] = [0, 0];
    for (let index = 0; index < 40; index++) {
      const out = apply(name, grey, 2, index);
      sum += meanOf(out) / 40;
      square += out.reduce((total, value) => total + (value - 0.5) ** 2, 0) / n;
    }
    assert.ok(Math.abs(sum - 0.5) < 5 * Math.sqrt(variance / n), `${name}: mean ${sum}`);
    // Standard error of a variance: its √(2/n), half as much again for Poisson's tail; photons above 25 are cut off.
    assert.ok(Math.abs(square / variance - 1) < 8 * Math.sqrt(2 / n), `${name}: variance ${square}`);
  }
});

test("there is no severity 0 or 6", () => {
  assert.throws(() => apply("contrast", picture, 0), /Severity 0 is not 1 to 5/);
  assert.throws(() => apply("contrast", picture, 6), /Severity 6 is not 1 to 5/);
});
