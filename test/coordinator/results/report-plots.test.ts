import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Resvg } from "@resvg/resvg-js";
import fc from "fast-check";
import { ClusterError } from "../../../shared/errors.js";
import { inlineSvg } from "../../../coordinator/results/report/inline-svg.js";
import { seriesStyle } from "../../../coordinator/results/report/plot-style.js";
import {
  errorPanelSpec,
  errorVsStrengthSpec,
  trainingSpec,
} from "../../../coordinator/results/report/plots.js";
import { encodePng } from "../../../coordinator/results/report/png.js";
import { renderPng, renderSvg } from "../../../coordinator/results/report/render-plot.js";
import { smoothingWindow, trainingCurve } from "../../../coordinator/results/report/series.js";
import { textWidth } from "../../../coordinator/results/report/text-width.js";
import { KINDS, sampleReport, sampleResult, sampleSteps } from "./report-sample.js";
import { decodePng } from "./report-png-decoder.js";

const REPORT = sampleReport();
const RESULTS = REPORT.models.map((model) => model.result);

test("the error plot holds every kind and every model, each with its own colour, dash and mark", async () => {
  const svg = await renderSvg(errorVsStrengthSpec(RESULTS));
  for (const text of [
    "Adversarial images",
    "Nonsense images",
    "Noisy images",
    "plain",
    "mrelu-r-m",
    "100%",
  ]) {
    assert.ok(svg.includes(`>${text}</text>`), text);
  }
  const styles = RESULTS.map((_, place) => seriesStyle(place));
  for (const { ink, dash } of styles) {
    const lines = svg.match(
      new RegExp(`<path [^>]*stroke="${ink.light}"[^>]*stroke-dasharray="${dash.join(",")}"`, "g"),
    );
    assert.ok((lines ?? []).length >= KINDS.length, `${ink.light} has a dashed line in each panel`);
    const bands = svg.match(new RegExp(`<path [^>]*fill="${ink.light}"[^>]*opacity="0.18"`, "g"));
    assert.equal((bands ?? []).length, KINDS.length, `${ink.light} has a band in each panel`);
  }
});

test("models beyond the palette still differ", () => {
  const looks = Array.from({ length: 30 }, (_, place) => {
    const { ink, dash, shape } = seriesStyle(place);
    return `${ink.light} ${dash.join("-")} ${shape}`;
  });
  assert.equal(new Set(looks).size, looks.length);
});

test("the error axis runs from 0 to 1 however small the errors are", async () => {
  const curves = sampleResult("plain").curves.map((p) => ({
    ...p,
    error: 0.01,
    ci_low: 0.005,
    ci_high: 0.02,
  }));
  const svg = await renderSvg(
    errorPanelSpec([{ ...sampleResult("plain"), curves }], "noisy", { width: 300, height: 200 }),
  );
  for (const label of ["0%", "20%", "40%", "60%", "80%", "100%"])
    assert.ok(svg.includes(`>${label}</text>`), label);
});

test("a plot of nothing is an error, not an empty file", () => {
  assert.throws(() => errorVsStrengthSpec([{ ...sampleResult("plain"), curves: [] }]), ClusterError);
});

test("the PNGs are twice the SVG's size and carry readable text without any font of the machine", async () => {
  for (const spec of [errorVsStrengthSpec(RESULTS), trainingSpec(REPORT.models)]) {
    const svg = await renderSvg(spec);
    const image = decodePng(renderPng(svg));
    const [, width, height] = /width="(\d+)" height="(\d+)"/.exec(svg) as unknown as [string, string, string];
    assert.deepEqual([image.width, image.height], [2 * Number(width), 2 * Number(height)]);

    // The title: 18 px bold at the top left, on white.
    const title = darkPixels(image, { left: 20, top: 24, right: 400, bottom: 76 });
    assert.ok(title > 1200, `${title} dark pixels in the title`);
    const withoutText = decodePng(renderPng(svg.replace(/<text[\s\S]*?<\/text>/g, "")));
    assert.equal(darkPixels(withoutText, { left: 20, top: 24, right: 400, bottom: 76 }), 0);
    assert.deepEqual([...image.pixels.subarray(0, 4)], [255, 255, 255, 255], "the background is white");
  }
});

test("text is measured as wide as the bundled font draws it", () => {
  const resolve = createRequire(import.meta.url).resolve;
  for (const [file, weight, tolerance] of [
    ["400Regular/Arimo_400Regular.ttf", 400, 0.02],
    ["700Bold/Arimo_700Bold.ttf", 700, 0.05], // one factor stands for all bold letters
  ] as const) {
    for (const text of [
      "Error against strength",
      "mean loss of the step",
      "strength β (share of the pixel range)",
      "Adversarial images",
    ]) {
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="900" height="60"><text x="9" y="40" font-family="Arimo" font-weight="${weight}" font-size="20">|${text}|</text></svg>`;
      const font = { loadSystemFonts: false, fontFiles: [resolve(`@expo-google-fonts/arimo/${file}`)] };
      const drawn = new Resvg(svg, { font }).getBBox()?.width ?? 0;
      const measured = textWidth(`|${text}|`, 20, weight === 700);
      // The box ends at the ink of the bars, which have 2 px of space on either side.
      assert.ok(
        Math.abs(measured - drawn - 3.4) < tolerance * drawn,
        `${text}: ${measured} against ${drawn}`,
      );
    }
  }
});

test("a plot in a page takes the page's colours, keeps its own as fallback, and has no id to clash", async () => {
  const svg = inlineSvg(
    await renderSvg(errorPanelSpec(RESULTS, "noisy", { width: 300, height: 200 })),
    'a "label" <b>',
  );
  assert.match(svg, /^<svg class="plot" role="img" aria-label="a &quot;label&quot; &lt;b&gt;" viewBox=/);
  assert.match(svg, /stroke="var\(--series-0,#0072b2\)"/);
  assert.match(svg, /fill="var\(--ink-text,#1c2128\)"/);
  assert.doesNotMatch(svg, /(?:fill|stroke)="#/);
  assert.doesNotMatch(svg, /\sid="|https?:/);
});

test("the mean over neighbouring steps leaves a constant alone and averages a pair to its middle", () => {
  const steps = sampleSteps(600, 5);
  for (const { smooth } of trainingCurve(
    steps.map((step) => ({ ...step, loss: 2.5 })),
    "loss",
  )) {
    assert.ok(Math.abs(smooth - 2.5) < 1e-12);
  }
  const [first, second] = trainingCurve(
    steps.slice(0, 2).map((step, i) => ({ ...step, loss: i })),
    "loss",
  );
  assert.deepEqual([first?.smooth, second?.smooth, first?.raw, second?.raw], [0.5, 0.5, 0, 1]);
});

test("a training curve keeps its ends, at most some 600 points, and only finite numbers", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), (count) => {
      const steps = sampleSteps(count, 6);
      const points = trainingCurve(steps, "accuracy");
      assert.ok(points.length <= 601);
      assert.equal(points[0]?.step, 1);
      assert.equal(points.at(-1)?.step, count);
      assert.equal(smoothingWindow(count) % 2, 1);
    }),
    { numRuns: 25 },
  );
  const diverged = sampleSteps(10, 7).map((step, i) => (i === 4 ? { ...step, loss: Number.NaN } : step));
  assert.equal(trainingCurve(diverged, "loss").length, 9);
});

test("a PNG holds the pixels it was given", () => {
  const size = fc.integer({ min: 1, max: 12 });
  const image = fc.record({ width: size, height: size, channels: fc.constantFrom(1, 3) }).chain((shape) => {
    const length = shape.width * shape.height * shape.channels;
    return fc.uint8Array({ minLength: length, maxLength: length }).map((pixels) => ({ ...shape, pixels }));
  });
  fc.assert(
    fc.property(image, ({ width, height, channels, pixels }) => {
      const decoded = decodePng(encodePng({ width, height, channels, pixels }));
      assert.deepEqual([decoded.width, decoded.height], [width, height]);
      for (let i = 0; i < width * height; i++) {
        const expected = Array.from({ length: 3 }, (_, c) => pixels[i * channels + (channels === 1 ? 0 : c)]);
        assert.deepEqual([...decoded.pixels.subarray(4 * i, 4 * i + 3)], expected);
      }
    }),
  );
});

test("a PNG of the wrong size or with two channels is refused", () => {
  const pixels = new Uint8Array(8);
  assert.throws(() => encodePng({ width: 2, height: 2, channels: 2, pixels }), /expected 1 or 3/);
  assert.throws(() => encodePng({ width: 3, height: 2, channels: 1, pixels }), /expected 6 bytes, got 8/);
});

interface Region {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** Pixels of a region whose brightness is below a half. */
function darkPixels(image: { width: number; pixels: Uint8Array }, region: Region): number {
  let dark = 0;
  for (let y = region.top; y < region.bottom; y++) {
    for (let x = region.left; x < region.right; x++) {
      const at = 4 * (y * image.width + x);
      const sum = (image.pixels[at] ?? 255) + (image.pixels[at + 1] ?? 255) + (image.pixels[at + 2] ?? 255);
      if (sum < 3 * 128) dark++;
    }
  }
  return dark;
}
