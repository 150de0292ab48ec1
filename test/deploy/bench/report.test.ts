import assert from "node:assert/strict";
import { test } from "node:test";
import { trainingBytes } from "../../../deploy/bench/cluster-figures.js";
import { rowsOf } from "../../../deploy/bench/core/comparisons.js";
import { type Contender, type Outcome, nameOf } from "../../../deploy/bench/core/contenders.js";
import { type Run, contenderResult, rowResult, sameEngineNotes } from "../../../deploy/bench/core/report.js";
import { contenderTable, rowTable } from "../../../deploy/bench/tables.js";

const [ROW] = rowsOf(["compiled"], { workers: 2 });
assert.ok(ROW !== undefined);

const runsOf = (contender: Contender, outcomes: readonly Outcome[]): Run[] =>
  outcomes.map((outcome, i) => ({ round: i + 1, contender: nameOf(contender), load_before: 1, outcome }));

const measured = (speed: number, by: string): Outcome => ({
  figures: { samples_per_cpu_second: speed, rss_bytes: 2 ** 20 },
  by,
});

test("a ratio is the median over rounds, each against its own neighbour", () => {
  const runs = [
    ...runsOf(ROW.above, [measured(300, "graph 1"), measured(160, "graph 1"), measured(340, "graph 1")]),
    // In another order: rounds rotate.
    ...runsOf(ROW.below, [
      measured(200, "eager 1"),
      measured(100, "eager 1"),
      measured(200, "eager 1"),
    ]).reverse(),
  ];
  const { ratio, is_met, bar } = rowResult(ROW, runs);
  assert.deepEqual(ratio, { median: 1.6, min: 1.5, max: 1.7, rounds: [1.5, 1.6, 1.7] });
  assert.deepEqual([is_met, bar], [true, "≥ 1.5"]);
});

test("a contender that is not there leaves its row without a ratio, and says why", () => {
  const runs = [
    ...runsOf(ROW.above, [measured(300, "graph 1")]),
    ...runsOf(ROW.below, [{ skipped: "torch is not installed" }]),
  ];
  const result = rowResult(ROW, runs);
  assert.deepEqual([result.ratio, result.is_met], [{ skipped: "torch is not installed" }, undefined]);
  assert.match(rowTable([result]), /skipped: torch is not installed +\| ≥ 1\.5 \| – +\|/);
  assert.match(contenderTable([contenderResult(nameOf(ROW.below), runs)]), /skipped: torch/);
});

test("a figure that a contender does not tell is no ratio either", () => {
  const untold: Outcome[] = [{ figures: {}, by: "eager 1" }, measured(NaN, "eager 1")];
  for (const blind of untold) {
    const runs: Run[] = [...runsOf(ROW.above, [measured(300, "graph 1")]), ...runsOf(ROW.below, [blind])];
    assert.ok("skipped" in rowResult(ROW, runs).ratio);
    assert.equal(contenderResult(nameOf(ROW.below), runs).figures.samples_per_cpu_second, undefined);
  }
});

test("two modes that one and the same engine computed are pointed out", () => {
  const notes = (above: string, below: string): number => {
    const runs = [...runsOf(ROW.above, [measured(1, above)]), ...runsOf(ROW.below, [measured(1, below)])];
    const results = [ROW.above, ROW.below].map((one) => contenderResult(nameOf(one), runs));
    return sameEngineNotes([ROW], results).length;
  };
  assert.deepEqual(
    [notes("TensorFlow 2", "TensorFlow 2"), notes("TensorFlow 2 graph", "TensorFlow 2")],
    [1, 0],
  );
});

test("bytes of training are read from the coordinator's metrics", () => {
  const exposition = [
    "# TYPE saf_wire_bytes_total counter",
    'saf_wire_bytes_total{direction="in",kind="gradient"} 100',
    'saf_wire_bytes_total{direction="out",kind="parameters"} 20',
    'saf_wire_bytes_total{direction="out",kind="data"} 5000',
    'saf_optimizer_steps_total{run="plain"} 9',
    'saf_wire_messages_total{direction="in",kind="gradient"} 7',
  ].join("\n");
  assert.deepEqual(trainingBytes(exposition), { bytes: 120, steps: 9 });
});
