import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fitImages } from "../../../coordinator/evaluation/fit-images.js";

const shape = (height: number, width: number, channels: number) => ({ height, width, channels });

test("an image that fits already stays as it is", () => {
  const side = fc.integer({ min: 1, max: 5 });
  fc.assert(
    fc.property(side, side, fc.constantFrom(1, 3), fc.nat(2), (height, width, channels, count) => {
      const pixels = Uint8Array.from({ length: count * height * width * channels }, (_, i) => (i * 31) & 255);
      const same = shape(height, width, channels);
      assert.deepEqual(fitImages(pixels, same, same), pixels);
    }),
  );
});

test("a larger image loses its border, a smaller one gets a black one", () => {
  const pixels = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
  const inner = Uint8Array.of(6, 7, 10, 11);
  assert.deepEqual(fitImages(pixels, shape(4, 4, 1), shape(2, 2, 1)), inner);
  assert.deepEqual(
    fitImages(inner, shape(2, 2, 1), shape(4, 4, 1)),
    Uint8Array.of(0, 0, 0, 0, 0, 6, 7, 0, 0, 10, 11, 0, 0, 0, 0, 0),
  );
});

test("one channel becomes three, three become their brightness, image by image", () => {
  assert.deepEqual(
    fitImages(Uint8Array.of(7, 200), shape(1, 1, 1), shape(1, 1, 3)),
    Uint8Array.of(7, 7, 7, 200, 200, 200),
  );
  // 0.299 · 255 = 76.2, 0.587 · 255 = 149.7, 0.114 · 255 = 29.1
  assert.deepEqual(
    fitImages(Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9), shape(1, 1, 3), shape(1, 1, 1)),
    Uint8Array.of(76, 150, 29, 9),
  );
});
