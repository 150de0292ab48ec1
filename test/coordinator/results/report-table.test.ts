import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { test } from "node:test";
import fc from "fast-check";
import { chooseSpread, referenceStrength } from "../../../coordinator/results/report/curves.js";
import { renderCsv } from "../../../coordinator/results/report/csv.js";
import { fallingCurves, readingLine, readingOf } from "../../../coordinator/results/report/reading.js";
import { renderTable } from "../../../coordinator/results/report/table.js";
import type { CurvePoint, ModelResult } from "../../../shared/results.js";
import { sampleResult } from "./report-sample.js";

const MODELS = [sampleResult("plain"), sampleResult("mrelu-r-m")];

test("the table shows accuracy, throughput, the error at every strength, and one sentence about it", () => {
  const lines = renderTable(MODELS, { colour: false }).split("\n");

  assert.match(lines[1] as string, /^plain +98\.9 +98\.7–99\.1 +10,000 +2,412$/);
  assert.match(lines[2] as string, /^mrelu-r-m +98\.4 +98\.1–98\.6 +10,000 +1,983$/);
  assert.match(
    lines[4] as string,
    /^error % at β = +0 0\.01 0\.02 0\.03 0\.04 0\.05 +0\.1 0\.15 +0\.2 0\.25 +0\.3 +0\.4 +0\.5$/,
  );
  assert.match(lines[5] as string, /^adversarial +plain +1\.1 .* 97\.6 /);
  assert.match(lines[6] as string, /^ +mrelu-r-m +2\.1 .* 35\.7 /);
  assert.match(lines[7] as string, /^nonsense +plain /);
  assert.match(lines[9] as string, /^noisy +plain /);
  const sentence = lines.slice(12).join(" ");
  assert.equal(
    sentence,
    "At β = 0.25 mrelu-r-m's adversarial error is 61.9 points below plain's " +
      "(35.7 % against 97.6 %; 95 % interval of the difference 58.7 to 64.9 points).",
  );
});

test("no line is wider than the terminal, and strengths that do not fit are owned up to", () => {
  const long = { ...sampleResult("plain"), name: "plain-with-a-name-of-32-letters-" };
  for (const width of [64, 70, 80, 100, 140]) {
    for (const models of [MODELS, [long, MODELS[1] as ModelResult]]) {
      const text = renderTable(models, { colour: false, width });
      for (const line of text.split("\n")) assert.ok([...line].length <= width, `${width}: ${line}`);
    }
  }
  const narrow = renderTable(MODELS, { colour: false, width: 64 });
  assert.match(narrow, /\(5 of 13 strengths left out; all are in eval\/curves\.csv\)/);
  assert.match(narrow, / 0\.25 /);
});

test("colour adds nothing that the text does not say", () => {
  const plain = renderTable(MODELS, { colour: false });
  const coloured = renderTable(MODELS, { colour: true });
  assert.notEqual(coloured, plain);
  assert.equal(stripVTControlCharacters(coloured), plain);
  assert.equal(stripVTControlCharacters(plain), plain);
});

test("a model measured on clean images only has a table too", () => {
  const text = renderTable([{ ...sampleResult("plain"), curves: [] }], { colour: false });
  assert.match(text, /^model.*\nplain +98\.9/);
  assert.equal(text.split("\n").length, 2);
});

test("a difference within the intervals is not called a difference", () => {
  const plain = sampleResult("plain");
  const curves = plain.curves.map((p) => ({ ...p, error: Math.max(0, p.error - 0.002) }));
  const sentence = readingLine([plain, { ...plain, name: "plain-r", curves }]);
  assert.equal(
    sentence,
    "At β = 0.25 plain-r's adversarial error cannot be told apart from plain's (97.4 % against 97.6 %).",
  );
});

test("the reading compares with plain, whatever the order, and tells above from below", () => {
  const sentences = readingOf([...MODELS].reverse());
  assert.equal(sentences.length, 4);
  assert.match(sentences[0] as string, /^On clean images mrelu-r-m's error is 0\.5 points above plain's/);
  assert.match(sentences[2] as string, /mrelu-r-m's nonsense error is 75\.5 points below plain's/);
});

test("a model alone is read by itself", () => {
  const sentences = readingOf([sampleResult("mrelu-r-m")]);
  assert.match(
    sentences[1] as string,
    /^At β = 0\.25 mrelu-r-m is wrong on 35\.7 % of the adversarial images/,
  );
  assert.match(sentences[2] as string, /claims to see a real class in 23\.5 % of the nonsense images/);
});

test("an adversarial error that falls as the attack grows is pointed out", () => {
  assert.deepEqual(fallingCurves(MODELS), []);
  const model = sampleResult("plain");
  const curves = model.curves.map((p) =>
    p.kind === "adversarial" && p.strength > 0.3 ? { ...p, error: 0.6, ci_low: 0.57, ci_high: 0.63 } : p,
  );
  const [warning, ...others] = fallingCurves([{ ...model, curves }, MODELS[1] as ModelResult]);
  assert.match(
    warning as string,
    /^plain's adversarial error falls from 98\.4 % at β = 0\.3 to 60\.0 % at β = 0\.5\./,
  );
  assert.deepEqual(others, []);
});

test("strengths are compared at 0.25, or as near below it as was measured", () => {
  assert.equal(referenceStrength([0, 0.1, 0.25, 0.5]), 0.25);
  assert.equal(referenceStrength([0, 0.1, 0.15]), 0.15);
  assert.equal(referenceStrength([0, 0.3, 0.5]), 0.3);
  assert.equal(referenceStrength([0]), undefined);
});

test("a choice of strengths keeps order, the kept ones and both ends", () => {
  const ascending = fc
    .uniqueArray(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 40 })
    .map((values) => values.sort((a, b) => a - b).map((value) => value / 1000));
  fc.assert(
    fc.property(ascending, fc.integer({ min: 3, max: 20 }), fc.nat(), (values, count, seed) => {
      const kept = values[seed % values.length] as number;
      const chosen = chooseSpread(values, count, [kept]);
      assert.equal(chosen.length, Math.min(count, values.length));
      assert.deepEqual(
        chosen,
        values.filter((value) => chosen.includes(value)),
      );
      for (const value of [kept, values[0], values.at(-1)]) assert.ok(chosen.includes(value as number));
    }),
  );
});

test("the CSV has one row per model, kind and strength, and its numbers read back exactly", () => {
  const [head, ...rows] = renderCsv(MODELS).trimEnd().split("\n");
  assert.equal(
    head,
    "model,kind,strength,n,error,ci_low,ci_high,mean_confidence,protocol,attack,norm,unreliable",
  );
  assert.equal(rows.length, 2 * 3 * 13);
  const points = MODELS.flatMap((model) => model.curves.map((point) => ({ model: model.name, ...point })));
  rows.forEach((row, i) => {
    const [model, kind, ...rest] = row.split(",");
    const numbers = rest.slice(0, 6);
    // Results of older versions say nothing more.
    assert.deepEqual(rest.slice(6), ["", "", "", ""]);
    const point = points[i] as (typeof points)[number];
    assert.deepEqual([model, kind], [point.model, point.kind]);
    assert.deepEqual(numbers.map(Number), [
      point.strength,
      point.n,
      point.error,
      point.ci_low,
      point.ci_high,
      point.mean_confidence,
    ]);
  });
});

test("the CSV quotes what would break a row and leaves out what is no number", () => {
  const curves = sampleResult("plain")
    .curves.slice(0, 1)
    .map((p) => ({ ...p, mean_confidence: Number.NaN }));
  const csv = renderCsv([{ ...sampleResult("plain"), name: 'a,"b"\nc', curves }]);
  assert.match(csv, /\n"a,""b""\nc",adversarial,0,1000,0\.011,[\d.]+,[\d.]+,,,,,\n$/);
});

test("the CSV tells series apart, and says what must not be believed", () => {
  const [first] = sampleResult("plain").curves;
  assert.ok(first);
  const label = { protocol: "modern", attack: "pgd-40", norm: "l2" } as const;
  const point = { ...first, ...label, unreliable: ["check 4, no gradients", "check 3"] };
  const csv = renderCsv([{ ...sampleResult("plain"), curves: [point] }]);
  assert.match(csv, /,modern,pgd-40,l2,"check 4, no gradients; check 3"\n$/);
});

test("a number that must not be believed is marked, and the table says why", () => {
  const reason = "check 4, gradients do not vanish: exactly zero for 90 of 100";
  const [model] = MODELS as [ModelResult];
  const marked: ModelResult = {
    ...model,
    curves: model.curves.map((p) => (p.kind === "adversarial" ? { ...p, unreliable: [reason] } : p)),
    checks: [
      { number: 4, title: "gradients do not vanish", status: "failed", detail: "exactly zero for 90 of 100" },
      { number: 5, title: "the attacks break what can be broken", status: "not run", detail: "no attacks" },
      { number: 6, title: "gradients agree with differences", status: "passed", detail: "" },
    ],
    unreliable: [reason],
    not_measured: [{ what: "nonsense from cifar10", why: "its files are not here" }],
  };
  const text = renderTable([marked], { colour: false, width: 200 });
  const rows = text.split("\n");
  const numbersOf = (kind: string): string[] =>
    rows
      .find((row) => row.startsWith(kind))
      ?.match(/[\d.]+!?/g)
      ?.slice(0) ?? [];
  assert.ok(numbersOf("adversarial").length >= 13);
  assert.ok(numbersOf("adversarial").every((number) => number.endsWith("!")));
  assert.ok(numbersOf("noisy").every((number) => !number.endsWith("!")));
  assert.ok(
    text.includes(`sanity checks of ${model.name}: UNRELIABLE, 1 passed, 1 failed, not run: 5`),
    text,
  );
  assert.ok(text.includes(`! ${reason}`), text);
  assert.ok(text.includes(`not measured of ${model.name}, see the report: nonsense from cifar10`), text);
});

test("series of other protocols stand in tables of their own, at their own strengths", () => {
  const [model] = MODELS as [ModelResult];
  const [point] = model.curves as [CurvePoint];
  const other = (attack: string, norm: "linf" | "l2", strength: number, error: number): CurvePoint => ({
    ...point,
    protocol: "modern",
    attack,
    norm,
    strength,
    error,
  });
  const curves = [...model.curves, other("pgd-40", "linf", 0.3, 0.875), other("ddn", "l2", 1.5, 0.625)];
  const text = renderTable([{ ...model, curves }], { colour: false, width: 120 });
  assert.match(text, /error % at ε = +0\.3\nmodern adversarial pgd-40 {2}plain +87\.5/);
  assert.match(text, /error % at L2 ε = +1\.5\nmodern adversarial ddn {2}plain +62\.5/);
  // What was there before is as it was.
  const before = renderTable([model], { colour: false, width: 120 }).split("\n");
  for (const line of before) assert.ok(text.includes(line), line);
});
