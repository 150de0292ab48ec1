import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { analyse } from "../../../../coordinator/results/sweep/analysis.js";
import { renderTrialsCsv } from "../../../../coordinator/results/sweep/csv.js";
import { documentOf } from "../../../../coordinator/results/sweep/document.js";
import { renderMarkdown } from "../../../../coordinator/results/sweep/markdown.js";
import { readingOf, warningsOf } from "../../../../coordinator/results/sweep/reading.js";
import { renderTrialLines } from "../../../../coordinator/results/sweep/trial-lines.js";
import { noteOf } from "../../../../coordinator/sweeps/conduct-sweep.js";
import { leaderboardLines } from "../../../../coordinator/results/sweep/terminal.js";
import type { SweepResults } from "../../../../coordinator/results/sweep/data.js";
import type { TrialRow } from "../../../../shared/records/sweep-line.js";
import { sampleSweep } from "./sample.js";
import { trial } from "./trial.js";

const withRows = (rows: readonly TrialRow[], spec: Record<string, unknown> = {}): SweepResults => ({
  ...sampleSweep({ trials: 0, spec }),
  rows,
});

for (const width of [80, 120]) {
  test(`no line of the leaderboard is wider than ${width} columns`, () => {
    for (const sweep of [
      sampleSweep({ trials: 24 }),
      sampleSweep({ trials: 90, seeds: 3 }),
      paretoSweep(60),
    ]) {
      for (const line of leaderboardLines(sweep, { width, colour: true })) {
        const text = stripVTControlCharacters(line);
        // A hash and a command are one word each, to be copied.
        const isOneThing = /^ {2}(npx saf|[0-9a-f]{64}$)/.test(text);
        assert.ok(isOneThing || text.length <= width, `${text.length}: ${text}`);
      }
    }
  });
}

function paretoSweep(trials: number): SweepResults {
  return sampleSweep({ trials, spec: { objective: ["area(adversarial)", { metric: "clean" }] } });
}

test("of several objectives no metric is best twice, and one that is turned round is ranked so", () => {
  const objective = ["area(adversarial)", { metric: "clean", goal: "minimize" }];
  const sweep = withRows(
    [
      trial(0, { "area(adversarial)": 0.8, clean: 0.99 }),
      trial(1, { "area(adversarial)": 0.7, clean: 0.96 }),
      trial(2, { "area(adversarial)": 0.6, clean: 0.98 }),
    ],
    { objective },
  );
  const idOf = (number: number): string | undefined => sweep.rows[number]?.trial.slice(0, 8);
  const best = leaderboardLines(sweep, { width: 120, colour: false }).filter((line) =>
    line.startsWith("Best by"),
  );
  assert.deepEqual(best, [
    `Best by area(adversarial) (0.8000): trial 0 (${idOf(0)}), weights`,
    `Best by clean (96.0 %, minimized): trial 1 (${idOf(1)}), weights`,
  ]);
});

test("colour only repeats what the text says", () => {
  const sweep = sampleSweep({ trials: 24 });
  const plain = leaderboardLines(sweep, { width: 100, colour: false });
  assert.deepEqual(
    leaderboardLines(sweep, { width: 100, colour: true }).map(stripVTControlCharacters),
    plain,
  );
});

test("every output names the winner with its hash and the command that trains it again", () => {
  const sweep = sampleSweep({ trials: 24 });
  const winner = analyse(sweep).boards[0].standings[0]?.best;
  assert.ok(winner?.weights !== undefined);
  const command = `npx saf reproduce ${winner.trial} --sweep runs/robust-mnist-20261130-1412`;
  const outputs = {
    terminal: leaderboardLines(sweep, { width: 80, colour: false }).join("\n"),
    markdown: renderMarkdown(analyse(sweep)),
    document: JSON.stringify(documentOf(analyse(sweep))),
  };
  for (const [name, text] of Object.entries(outputs)) {
    assert.ok(text.includes(command), name);
    assert.ok(text.includes(winner.weights), name);
  }
  assert.ok(renderTrialsCsv(sweep).includes(winner.weights));
});

test("a winner that began with another trial's weights has a command as well", () => {
  const parent = { trial: "aaaa", rung: 1, weights: "b".repeat(64) };
  const sweep = withRows([{ ...trial(0, { "area(adversarial)": 0.5, clean: 0.99 }), parent }]);
  const lines = leaderboardLines(sweep, { width: 80, colour: false }).join("\n");
  const command = `saf reproduce ${sweep.rows[0]?.trial}`;
  assert.ok(lines.includes(command));
  assert.ok(JSON.stringify(documentOf(analyse(sweep))).includes(command));
  assert.ok(renderMarkdown(analyse(sweep)).includes(command));
});

test("a folder with a space is quoted in the command", () => {
  const sweep = { ...withRows([trial(0, { "area(adversarial)": 0.5 })]), directory: "my runs/it's" };
  const lines = leaderboardLines(sweep, { width: 80, colour: false });
  assert.ok(lines.some((line) => line.endsWith(`--sweep 'my runs/it'\\''s'`)));
});

test("a lead that chance explains is a warning; one that it does not is said", () => {
  const close = withRows([
    trial(0, { "area(adversarial)": 0.701, clean: 0.99 }),
    trial(1, { "area(adversarial)": 0.7, clean: 0.99 }),
  ]);
  assert.match(
    warningsOf(analyse(close)).join("\n"),
    /lead in area\(adversarial\) \(0\.0010\) is within noise/,
  );
  const clear = withRows([
    trial(0, { "area(adversarial)": 0.8, clean: 0.99 }),
    trial(1, { "area(adversarial)": 0.7, clean: 0.99 }),
  ]);
  assert.deepEqual(warningsOf(analyse(clear)), []);
  assert.match(readingOf(analyse(clear)).join("\n"), /more than chance explains/);
});

test("a winner whose evaluation is marked unreliable is a warning with the reasons", () => {
  const rows = [trial(0, { "area(adversarial)": 0.8, clean: 0.99 }, { unreliable: ["gradients vanish"] })];
  assert.match(
    warningsOf(analyse(withRows(rows))).join("\n"),
    /trial 0 .* marked unreliable: gradients vanish/,
  );
});

test("the same doubt about several winners is one warning", () => {
  const unreliable = ["the engine was emulated"];
  const rows = [
    trial(0, { "area(adversarial)": 0.8, clean: 0.97 }, { unreliable }),
    trial(1, { "area(adversarial)": 0.7, clean: 0.99 }, { unreliable }),
  ];
  const warnings = warningsOf(analyse(withRows(rows))).filter((text) => text.includes("unreliable"));
  assert.equal(warnings.length, 1, warnings.join("\n"));
  assert.match(
    warnings[0] ?? "",
    /trial 0 .* and trial 1 .* are marked unreliable: the engine was emulated\.$/,
  );
  assert.equal(noteOf([])(rows[0] as TrialRow), "unreliable", "a live line has no room for reasons");
});

test("that nobody meets the constraints, or that all failed, is a warning", () => {
  const rows = [trial(0, { "area(adversarial)": 0.8, clean: 0.5 })];
  assert.match(
    warningsOf(analyse(withRows(rows))).join("\n"),
    /No trial meets the constraint.*misses clean >= 95 %/,
  );
  const failed = sampleSweep({ trials: 5, state: () => "failed" });
  assert.match(warningsOf(analyse(failed)).join("\n"), /All trials failed/);
  assert.match(
    leaderboardLines(failed, { width: 80, colour: false }).join("\n"),
    /5 failed: the loss is not a finite/,
  );
});

test("nothing measured, one trial and no trial at all have their own sentences", () => {
  const none = leaderboardLines(withRows([]), { width: 80, colour: false }).join("\n");
  assert.match(none, /0 trials: none begun/);
  assert.match(none, /Nothing has been measured yet/);
  const one = leaderboardLines(withRows([trial(0, { "area(adversarial)": 0.5, clean: 0.99 })]), {
    width: 80,
    colour: false,
  }).join("\n");
  assert.match(one, /1 trial: 1 done/);
  assert.doesNotMatch(one, /lead/);
});

test("early stopping is said in images: seen, and what all trials would have needed", () => {
  const sweep = sampleSweep({ trials: 24, failing: 0 });
  const analysis = analyse(sweep);
  assert.equal(analysis.samplesUnstopped, 24 * 54_000);
  assert.match(readingOf(analysis).join("\n"), /1,296,000, \d\.\d times as many/);
});

test("trials.csv has a row for each trial, numbers in full, fields with commas quoted", () => {
  const values = { "network.channels": [32, 64], "train.learning_rate": 0.012345678901234567 };
  const sweep = withRows(
    [
      trial(0, { clean: 0.9712345678 }, { values }),
      { ...trial(1, {}, { state: "failed" }), rungs: [], reason: 'loss, "nan"' },
    ],
    { parameters: {} },
  );
  const lines = renderTrialsCsv(sweep).split("\n");
  assert.equal(
    lines[0],
    "trial,number,group,state,attempt,rung,samples,seconds,images,measured_images,began,ended,weights,unreliable,reason,network.channels,train.learning_rate,seed,clean",
  );
  assert.match(
    lines[1] ?? "",
    /,0,6000,3,10000,10000,.*,,,"\[32,64\]",0\.012345678901234567,0,0\.9712345678$/,
  );
  assert.match(lines[2] ?? "", /,failed,1,,.*"loss, ""nan""",,,0,$/);
  assert.equal(lines.length, 4);
});

test("trials.jsonl has a line for each trial, with its seed, times and all of its settings", () => {
  const values = { "train.learning_rate": 0.0123, seed: 5 };
  const sweep = withRows(
    [
      trial(0, { clean: 0.97 }, { values }),
      {
        ...trial(1, {}, { values: { "train.learning_rate": "fast" } }),
        state: "failed",
        rungs: [],
        reason: "no",
      },
    ],
    { parameters: {} },
  );
  const text = renderTrialLines({ ...sweep, settings: { train: { epochs: 3 } } });
  const [first, second, ...rest] = text.split("\n");
  const line = JSON.parse(first ?? "") as Record<string, unknown>;
  const settings = line["settings"] as { train: Record<string, unknown>; seed: number };
  const [rung] = sweep.rows[0]?.rungs ?? [];
  assert.deepEqual([line["trial"], line["state"], line["seed"]], [sweep.rows[0]?.trial, "done", 5]);
  assert.deepEqual(
    [settings.train["epochs"], settings.train["learning_rate"], settings.seed],
    [3, 0.0123, 5],
  );
  // What nobody said stands there as well.
  assert.ok(Number(settings.train["batch_size"]) > 0);
  assert.equal(line["ended"], new Date(1000 * (rung?.time ?? NaN)).toISOString());
  assert.equal(line["began"], new Date(1000 * ((rung?.time ?? NaN) - (rung?.seconds ?? NaN))).toISOString());
  const failed = JSON.parse(second ?? "") as Record<string, unknown>;
  assert.deepEqual([failed["reason"], failed["settings"], failed["began"]], ["no", null, null]);
  assert.deepEqual(rest, [""]);
});

test("results.json keeps its fields", () => {
  const document = documentOf(analyse(paretoSweep(40)));
  assert.deepEqual(Object.keys(document), [
    "format",
    "version",
    "name",
    "title",
    "directory",
    "code",
    "began",
    "until",
    "objectives",
    "constraints",
    "counts",
    "samples",
    "samples_unstopped",
    "ranked",
    "reading",
    "warnings",
    "leaderboard",
    "boards",
    "importance",
    "trials",
  ]);
  const text = JSON.stringify(document);
  assert.doesNotMatch(text, /undefined|NaN/);
  assert.match(text, /"on_front":true/);
});

test("the Markdown table escapes what Markdown would read", () => {
  const values = { "data.set": "a|b*c" };
  const rows = [
    trial(0, { "area(adversarial)": 0.5, clean: 0.99 }, { values }),
    trial(1, { "area(adversarial)": 0.4, clean: 0.99 }),
  ];
  assert.match(renderMarkdown(analyse(withRows(rows, { parameters: {} }))), /set=a\\\|b\\\*c/);
});

test("what had begun runs while a process works on the sweep, and is interrupted else", () => {
  const rows = [trial(0, { clean: 0.9 }), { ...trial(1, {}), state: "running" as const }];
  const words = (isAtWork: boolean): string => readingOf(analyse({ ...withRows(rows), isAtWork }))[0] ?? "";
  assert.match(words(true), /2 trials: 1 done, 1 running\./);
  assert.match(words(false), /2 trials: 1 done, 1 interrupted\./);
});
