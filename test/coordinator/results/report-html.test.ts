import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReportData } from "../../../coordinator/results/report/data.js";
import { renderReport } from "../../../coordinator/results/report/report-html.js";
import { assertWellFormed } from "./report-page-checks.js";
import { sampleReport } from "./report-sample.js";
import { decodePng } from "./report-png-decoder.js";

const PAGE = await renderReport(sampleReport());

test("the page is well-formed and its links lead to its own sections", () => {
  assertWellFormed(PAGE);
  const targets = [...PAGE.matchAll(/href="([^"]*)"/g)].map((match) => match[1] as string);
  assert.ok(targets.length >= 6);
  for (const target of targets) {
    assert.match(target, /^#/);
    assert.ok(PAGE.includes(`id="${target.slice(1)}"`), target);
  }
});

test("the page loads nothing and runs nothing", () => {
  const withoutPixels = PAGE.replace(/"data:image\/png;base64,[A-Za-z0-9+/=]*"/g, '""');
  assert.equal(/https?:|\/\/[a-z]|<script|<link|@import|url\(|\son[a-z]+=/i.exec(withoutPixels), null);
  for (const [, address] of PAGE.matchAll(/src="([^"]{0,30})/g))
    assert.match(address as string, /^data:image\/png;base64,/);
  assert.match(PAGE, /Content-Security-Policy" content="default-src &#39;none&#39;/);
});

test("the page serves light and dark, phones and paper", () => {
  assert.match(PAGE, /<meta name="color-scheme" content="light dark"/);
  assert.match(PAGE, /<meta name="viewport" content="width=device-width/);
  assert.match(PAGE, /@media \(prefers-color-scheme:dark\)/);
  assert.match(PAGE, /@media print/);
});

test("every picture has a description, every table headers and a caption", () => {
  const images = PAGE.match(/<img\s[^>]*>/g) ?? [];
  assert.equal(images.length, 2 * 6 * 8);
  for (const image of images) assert.match(image, /\salt="[^"]{20,}"/);
  const plots = PAGE.match(/<svg class="plot"[^>]*>/g) ?? [];
  assert.equal(plots.length, 3 + 2);
  for (const plot of plots) assert.match(plot, /role="img" aria-label="[^"]{40,}"/);
  const tables = PAGE.match(/<table[\s\S]*?<\/table>/g) ?? [];
  assert.equal(tables.length, 3 + 1);
  for (const table of tables) {
    assert.match(table, /<caption>/);
    assert.match(table, /<th scope="row">/);
  }
});

test("the page says what was found, how sure that is, and that it is no guarantee", () => {
  const text = PAGE.replace(/<style>[\s\S]*?<\/style>/, "")
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ");
  assert.match(text, /mrelu-r-m&#39;s adversarial error is 61\.9 points below plain&#39;s/);
  assert.match(text, /0\.25 97\.6 96\.5–98\.4 0\.90 35\.7 32\.8–38\.7/);
  assert.match(text, /not a robustness guarantee/);
  assert.match(text, /one single gradient step/);
  assert.match(text, /saf demo --workers 2 --seed 0/);
  assert.match(text, /max_steps: 600/);
  assert.match(text, /TensorFlow 2\.21\.0/);
});

test("right and wrong answers differ in text and border, not in colour alone", () => {
  assert.match(PAGE, /class="is-right">[\s\S]{0,2500}?<b>✓ 7<\/b>/);
  assert.match(PAGE, /class="is-wrong">[\s\S]{0,2500}?<b>✗ \d<\/b>/);
  assert.match(PAGE, /\.is-wrong img\{[^}]*dashed/);
});

test("the images in the page are the samples' pixels", () => {
  const sample = sampleReport().models[0]?.samples[0];
  const address = /<img\s+src="data:image\/png;base64,([^"]+)"/.exec(PAGE)?.[1] as string;
  const decoded = decodePng(Buffer.from(address, "base64"));
  const grey = Uint8Array.from({ length: 784 }, (_, i) => decoded.pixels[4 * i] as number);
  assert.deepEqual(Buffer.from(grey).toString("base64"), sample?.pixels);
});

test("text from outside cannot become markup", async () => {
  const attack = `<script>alert("1")</script>'&`;
  const data = sampleReport();
  const hostile: ReportData = {
    title: attack,
    dataset: attack,
    created: attack,
    command: attack,
    models: data.models.map((model, i) => ({ ...model, result: { ...model.result, name: `${attack}${i}` } })),
    environment: { [attack]: attack, saf: attack },
    config: `${attack}</pre>`,
    procedure: attack,
    notes: [attack],
  };
  const page = await renderReport(hostile);
  assertWellFormed(page);
  assert.doesNotMatch(page, /<script/i);
  assert.ok(page.split("&lt;script&gt;").length > 15, "the text itself is still shown");
});

test("a report of one evaluated model without training or samples is still a report", async () => {
  const data = sampleReport();
  const result = data.models[1]?.result;
  assert.ok(result);
  const page = await renderReport({ ...data, models: [{ result, steps: [], samples: [] }], notes: [] });
  assertWellFormed(page);
  assert.doesNotMatch(page, /id="training"|id="images"|NaN|undefined/);
  const bare = await renderReport({
    ...data,
    models: [{ result: { ...result, curves: [] }, steps: [], samples: [] }],
  });
  assertWellFormed(bare);
  assert.doesNotMatch(bare, /id="error"|NaN|undefined/);
});

test("what was not measured is named with the reason, each once", async () => {
  const data = sampleReport();
  const left = [{ what: "nonsense from cifar10", why: "its <files> are not here" }];
  const checks = [{ number: 4, title: "gradients do not vanish", status: "passed" as const, detail: "" }];
  const models = data.models.map((model) => ({
    ...model,
    result: { ...model.result, checks, not_measured: left },
  }));
  const page = await renderReport({ ...data, models });
  assertWellFormed(page);
  assert.equal(page.split("nonsense from cifar10").length, 2);
  assert.match(page, /<li><strong>nonsense from cifar10<\/strong>: its &lt;files&gt; are not here<\/li>/);
  assert.equal(PAGE.includes("Not measured:"), false);
});
