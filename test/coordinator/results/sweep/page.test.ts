import assert from "node:assert/strict";
import { test } from "node:test";
import { analyse } from "../../../../coordinator/results/sweep/analysis.js";
import { renderSweepPage } from "../../../../coordinator/results/sweep/page.js";
import type { SweepResults } from "../../../../coordinator/results/sweep/data.js";
import { assertWellFormed } from "../report-page-checks.js";
import { sampleSweep } from "./sample.js";
import { trial } from "./trial.js";

const page = (sweep: SweepResults): string => renderSweepPage(analyse(sweep));
const textOf = (markup: string): string =>
  markup
    .replace(/<style>[\s\S]*?<\/style>/, "")
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ");

const SWEEPS: Readonly<Record<string, SweepResults>> = {
  "24 trials": sampleSweep({ trials: 24 }),
  "300 trials of 100 settings": sampleSweep({ trials: 300, seeds: 3 }),
  "two objectives": sampleSweep({ trials: 80, spec: { objective: ["area(adversarial)", "clean"] } }),
  "three objectives": sampleSweep({
    trials: 80,
    spec: { objective: ["area(adversarial)", "clean", "loss"] },
  }),
  "no rungs": sampleSweep({ trials: 30, rungs: [54_000], spec: { stopping: undefined } }),
  "one trial": { ...sampleSweep({ trials: 1, failing: 0, state: () => "done" }), decisions: [] },
  "no finished trial": sampleSweep({ trials: 20, failing: 0, state: () => "running" }),
  "all failed": sampleSweep({ trials: 20, state: () => "failed" }),
  "no trial": sampleSweep({ trials: 0 }),
};

for (const [name, sweep] of Object.entries(SWEEPS)) {
  test(`the page of a sweep with ${name} is well-formed, loads nothing, and its links lead to its own sections`, () => {
    const markup = page(sweep);
    assertWellFormed(markup);
    assert.doesNotMatch(markup, /NaN|undefined|Infinity/);
    assert.equal(/https?:|\/\/[a-z]|<script|<link|@import|url\(|\son[a-z]+=/i.exec(markup), null);
    for (const [, target] of markup.matchAll(/href="#([^"]*)"/g))
      assert.ok(markup.includes(`id="${target}"`));
    for (const plot of markup.match(/<svg class="plot"[^>]*>/g) ?? [])
      assert.match(plot, /role="img" aria-label="[^"]{30,}"/);
    for (const table of markup.match(/<table[\s\S]*?<\/table>/g) ?? []) {
      assert.match(table, /<caption/);
      assert.match(table, /<th scope="row">/);
    }
  });
}

test("a sweep with early stopping and strengths shows all that there is to see", () => {
  const text = textOf(page(SWEEPS["300 trials of 100 settings"] as SweepResults));
  for (const said of [
    "Leaderboard",
    "Best on clean images",
    "Most robust",
    "Train the winners again",
    "npx saf reproduce",
    "fANOVA (Hutter, Hoos and Leyton-Brown, ICML 2014)",
    "Along each parameter",
    "All parameters at once",
    "Strength × parameter",
    "Learning, rung by rung",
    "Who was stopped, who went on",
    "not among the best third",
    "Failed trials",
    "the loss is not a finite number",
    "over seeds",
    "over images",
  ])
    assert.ok(text.includes(said), said);
});

test("the legend of a Pareto plot says what is there, and the front is listed once", () => {
  const objective = ["area(adversarial)", { metric: "clean", goal: "minimize" }];
  const base = sampleSweep({ trials: 0, spec: { objective, constraints: ["loss <= 0.1"] } });
  const markup = (losses: readonly number[]): string =>
    page({
      ...base,
      rows: losses.map((loss, i) =>
        trial(i, { "area(adversarial)": 0.8 - i / 10, clean: 0.9 + i / 100, loss }),
      ),
    });
  assert.match(textOf(markup([0.05, 0.05])), /Blue: not on it\. Wanted/);
  assert.match(textOf(markup([0.05, 0.5])), /Grey: misses a constraint\. Wanted/);
  const none = markup([0.5, 0.5]);
  assert.match(
    textOf(none),
    /No trial meets all constraints, so the front is that of all\. Grey: not on it\./,
  );
  assert.equal(none.match(/By area\(adversarial\) and/g)?.length, 1);
  assert.equal(textOf(none).match(/Largest area/g), null, "the objective has a card of its own");
  assert.match(textOf(none), /Least clean/);
});

test("ten thousand trials fit in a page below 3 MB, of which the best 50 are listed", () => {
  const markup = page(sampleSweep({ trials: 10_000 }));
  assert.ok(markup.length < 3_000_000, `${markup.length} characters`);
  assert.match(textOf(markup), /the best 50 of [\d,]+ trials/);
});

test("what a spec, a value or a reason says is never markup", () => {
  const evil = '<script>alert("x")</script>';
  const rows = [
    trial(0, { clean: 0.9, "area(adversarial)": 0.5 }, { values: { "data.set": evil }, unreliable: [evil] }),
    trial(1, { clean: 0.9, "area(adversarial)": 0.5 }, { values: { "data.set": "mnist" } }),
    { ...trial(2, {}, { state: "failed" }), reason: evil },
  ];
  const sweep = {
    ...sampleSweep({ trials: 0, spec: { parameters: {}, title: evil } }),
    rows,
    directory: evil,
  };
  const markup = page(sweep);
  assertWellFormed(markup);
  assert.ok(!markup.includes("<script"));
});

test("the colours of plots and shades follow the page into the dark", () => {
  const markup = page(SWEEPS["24 trials"] as SweepResults);
  assert.match(markup, /@media \(prefers-color-scheme:dark\)/);
  const fixed = [...markup.matchAll(/<svg[\s\S]*?<\/svg>/g)].flatMap(
    ([svg]) => svg.match(/(?:fill|stroke)="#[0-9a-f]+"/g) ?? [],
  );
  assert.deepEqual([...new Set(fixed)], []);
});
