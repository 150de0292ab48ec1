import assert from "node:assert/strict";
import { test } from "node:test";
import { journalOf } from "../../../../../coordinator/results/export/sweep/optuna.js";
import type { ExportedSweep } from "../../../../../coordinator/results/export/sweep/exported-sweep.js";
import { ROWS, SPEC, exportedSweep, rowOf, rungOf } from "../../../../support/exported-sweeps.js";

interface Line {
  op_code: number;
  worker_id: string;
  study_name?: string;
  directions?: number[];
  user_attr?: Record<string, unknown>;
  system_attr?: Record<string, unknown>;
  state: number;
  value: number | null;
  values: number[] | null;
  params: Record<string, number>;
  distributions: Record<string, string>;
  intermediate_values: Record<string, number>;
  user_attrs: Record<string, unknown>;
  system_attrs: Record<string, unknown>;
  datetime_start: string | null;
  datetime_complete?: string;
}

function linesOf(sweep: ExportedSweep): Line[] {
  const text = journalOf(sweep);
  assert.ok(text.endsWith("\n"), "Optuna refuses a last line without its end");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}

function trialsOf(sweep: ExportedSweep): Line[] {
  return linesOf(sweep).filter(({ op_code }) => op_code === 4);
}

const RUNNING = 0;
const COMPLETE = 1;
const PRUNED = 2;
const FAIL = 3;
const WAITING = 4;

test("the study is made first, with a direction for each objective", () => {
  const [first, ...others] = linesOf(exportedSweep());
  assert.deepEqual([first?.op_code, first?.study_name, first?.directions], [0, "robust", [2]]);
  const metrics = others.filter(({ op_code }) => op_code === 3).map(({ system_attr }) => system_attr);
  assert.deepEqual(metrics, [{ "study:metric_names": ["area(adversarial)"] }]);
  // Optuna takes one attribute a line.
  for (const { user_attr } of others)
    assert.ok(user_attr === undefined || Object.keys(user_attr).length === 1);
});

test("states are Optuna's: a trial at a rung is under way, for WAITING is one that anybody may begin", () => {
  const found = trialsOf(exportedSweep()).map(({ state, value }) => [state, value]);
  assert.deepEqual(found, [
    [COMPLETE, 0.625],
    [COMPLETE, 0.75],
    [PRUNED, 0.125],
    [FAIL, null],
    [RUNNING, null],
    [RUNNING, null],
  ]);
  const queued = rowOf(0, "waiting", {}, []);
  assert.equal(trialsOf(exportedSweep({ rows: [queued] }))[0]?.state, WAITING);
});

test("a done trial without one of its objectives is FAIL: Optuna ranks whatever is COMPLETE", () => {
  const row = rowOf(0, "done", {}, [rungOf(0, 0.5, 0.9, { metrics: { clean: 0.9 } })]);
  const [trial] = trialsOf(exportedSweep({ rows: [row] }));
  assert.deepEqual([trial?.state, trial?.value, trial?.values], [FAIL, null, null]);
});

test("a trial that failed has no values, whatever its rungs said: Optuna allows none", () => {
  const row = rowOf(0, "failed", {}, [rungOf(0, 0.5, 0.9)]);
  const [trial] = trialsOf(exportedSweep({ rows: [row] }));
  assert.deepEqual([trial?.state, trial?.value], [FAIL, null]);
  assert.deepEqual(trial?.intermediate_values, { 1000: 0.5 });
});

test("several objectives are several values, each with its direction", () => {
  const spec = { ...SPEC, objective: ["clean", { metric: "loss", goal: "minimize" as const }] };
  const row = rowOf(0, "done", {}, [rungOf(0, 0, 0, { metrics: { loss: 0.25, clean: 0.9 } })]);
  const sweep = exportedSweep({ spec, rows: [row] });
  assert.deepEqual(linesOf(sweep)[0]?.directions, [2, 1]);
  const [trial] = trialsOf(sweep);
  assert.deepEqual([trial?.value, trial?.values], [null, [0.9, 0.25]]);
});

test("parameters are numbers inside, choices by their place; one whose condition does not hold is left out", () => {
  const [mrelu, , plain] = trialsOf(exportedSweep());
  assert.deepEqual(mrelu?.params, {
    ...{ model: 1, "train.learning_rate": 0.01, "train.batch_size": 64, "train.momentum": 0.3 },
    ...{ "evaluate.diagnostics": 0, "network.channels": 0, seed: 7 },
  });
  assert.deepEqual([plain?.params["network.channels"], plain?.params["train.momentum"]], [1, undefined]);
  assert.deepEqual(Object.keys(plain?.distributions ?? {}).sort(), Object.keys(plain?.params ?? {}).sort());
  assert.deepEqual(mrelu?.distributions, {
    model: '{"name":"CategoricalDistribution","attributes":{"choices":["plain","mrelu"]}}',
    "train.learning_rate":
      '{"name":"FloatDistribution","attributes":{"log":true,"low":0.001,"high":0.1,"step":null}}',
    "train.batch_size": '{"name":"IntDistribution","attributes":{"log":false,"low":32,"high":128,"step":32}}',
    "train.momentum":
      '{"name":"FloatDistribution","attributes":{"log":false,"low":0.1,"high":0.9,"step":0.1}}',
    "evaluate.diagnostics": '{"name":"CategoricalDistribution","attributes":{"choices":[true,false]}}',
    "network.channels": '{"name":"CategoricalDistribution","attributes":{"choices":["[8,16]","[16,32]"]}}',
    seed: '{"name":"IntDistribution","attributes":{"log":false,"low":7,"high":8,"step":1}}',
  });
});

test("all trials have one distribution for a parameter, or Optuna takes them for two", () => {
  const trials = trialsOf(exportedSweep());
  for (const path of Object.keys(SPEC.parameters)) {
    const found = trials.flatMap(({ distributions }) => distributions[path] ?? []);
    assert.equal(new Set(found).size, 1, path);
  }
});

test("rungs are intermediate values by images seen; attributes hold id, group, hash and every metric", () => {
  const [first, second, , failed] = trialsOf(exportedSweep());
  assert.deepEqual(first?.intermediate_values, { 1000: 0.5, 3000: 0.625 });
  const { trial, group, weights_sha256: weights, clean } = first?.user_attrs ?? {};
  assert.deepEqual([trial, group, clean], ["0".repeat(16), "g".repeat(16), 0.98]);
  assert.equal(weights, ROWS[0]?.weights);
  assert.deepEqual(second?.user_attrs["unreliable"], ["gradients vanish", "Square is stronger"]);
  assert.equal(failed?.user_attrs["reason"], 'the loss is "NaN", at step 3');
});

test("what is compared at the rungs may be another metric than the objective", () => {
  const compared = { metric: "clean", goal: "maximize" as const };
  const [first] = trialsOf(exportedSweep({ compared }));
  assert.deepEqual(first?.intermediate_values, { 1000: 0.95, 3000: 0.98 });
});

test("a constraint is at most 0 where it is met, and not there where nothing was measured", () => {
  const trials = trialsOf(exportedSweep());
  const violations = trials.map(({ system_attrs }) => system_attrs["constraints"] as number[] | undefined);
  assert.deepEqual(
    violations.map((found) => (found === undefined ? undefined : found.map((one) => one <= 0))),
    [[true], [false], [true], undefined, [true], undefined],
  );
});

test("trials come in the order of their numbers, which are Optuna's own", () => {
  const trials = trialsOf(exportedSweep({ rows: [...ROWS].reverse() }));
  assert.deepEqual(
    trials.map(({ user_attrs }) => user_attrs["trial"]),
    ROWS.map(({ trial }) => trial),
  );
});

test("times are the wall clock's, and only what has ended has an end", () => {
  const [first, , , failed, waiting] = trialsOf(exportedSweep());
  const seconds = (text: string | null | undefined): number => new Date(text ?? "").getTime() / 1000;
  assert.equal(seconds(first?.datetime_start), 1_795_515_390);
  assert.equal(seconds(first?.datetime_complete), 1_795_515_500);
  assert.equal(failed?.datetime_start, failed?.datetime_complete);
  assert.equal(waiting?.datetime_complete, undefined);
});
