import assert from "node:assert/strict";
import { test } from "node:test";
import type { Canvas } from "../../../deploy/cli/drawing.js";
import { applyEvent, initialProgress } from "../../../deploy/cli/progress-state.js";
import { plainLine, renderRegion } from "../../../deploy/cli/progress-view.js";
import { sweepLines } from "../../../deploy/cli/sweep-progress-view.js";
import { type SweepProgress, sweepMessage } from "../../../shared/sweep-progress.js";

const same = (text: string): string => text;
const canvasOf = (width: number, height = 40): Canvas => ({
  ...{ width, height, nowMs: 60_000, unicode: true },
  palette: { bold: same, dim: same, green: same, yellow: same, red: same, cyan: same },
});

const SWEEP: SweepProgress = {
  name: "robust-mnist",
  title: "The most robust MNIST network",
  state: "running",
  counts: { running: 2, waiting: 9, done: 3, stopped: 11, failed: 1 },
  rungs: [
    { rung: 0, samples: 20_000, count: 16 },
    { rung: 1, samples: 60_000, count: 5 },
    { rung: 2, samples: 180_000, count: 3 },
  ],
  planned: 60,
  samplesSeen: 1_234_000,
  samplesPerSecond: 2236.4,
  objectives: [{ metric: "area(pgd)", goal: "maximize" }],
  best: [
    {
      ...{ id: "3fa91c0211223344", number: 12, state: "done", rung: 2, weights: "ab" },
      values: { model: "mrelu-r-m", "train.learning_rate": 0.0123456 },
      metrics: { "area(pgd)": 0.71234, clean: 0.9812 },
      note: "",
    },
    {
      ...{ id: "77aa1c0211223344", number: 3, state: "stopped", rung: 0, weights: "cd" },
      values: { model: "plain", "train.learning_rate": 0.05 },
      metrics: { "area(pgd)": 0.31, clean: 0.991 },
      note: "misses clean >= 0.97",
    },
  ],
  seconds: 754,
  etaSeconds: 190,
  decisions: [],
};

test("a sweep's lines: counts, a bar, rungs, and the best trials with what they set", () => {
  assert.deepEqual(sweepLines(SWEEP, canvasOf(110), 20), [
    "sweep robust-mnist · 2 running · 9 waiting · 3 done · 11 stopped · 1 failed · 12 min 34 s",
    `${barOf(15 / 60, 40)}   25 %  15/60 trials  2236 img/s  3:10 left`,
    "rungs  20,000 images: 16   60,000: 5   180,000: 3",
    "",
    "best  trial  id        area(pgd)  clean %  rung  settings",
    "   1     12  3fa91c02     0.7123     98.1     2  model=mrelu-r-m learning_rate=0.01235",
    "   2      3  77aa1c02     0.3100     99.1     0  model=plain learning_rate=0.05 (misses clean >= 0.97)",
  ]);
});

function barOf(share: number, width: number): string {
  const halves = Math.floor(share * width * 2);
  const full = "━".repeat(Math.floor(halves / 2)) + (halves % 2 === 1 ? "╸" : "");
  return full + "─".repeat(width - full.length);
}

test("no line is wider than the terminal, and no more lines are drawn than there is room for", () => {
  for (const width of [20, 40, 80, 120]) {
    for (const room of [1, 3, 4, 5, 8]) {
      const lines = sweepLines(SWEEP, canvasOf(width), room);
      assert.ok(lines.length <= room, `${lines.length} lines in ${room}`);
      for (const text of lines) assert.ok([...text].length <= width, `${width}: ${text}`);
    }
  }
});

test("a search without an end has no bar", () => {
  const lines = sweepLines({ ...SWEEP, planned: undefined, etaSeconds: undefined }, canvasOf(80), 20);
  assert.equal(lines[1], "15 trials over  2236 img/s");
});

test("when its process ends, what had begun is interrupted, and runs no more", () => {
  const [head = ""] = sweepLines({ ...SWEEP, state: "interrupted" }, canvasOf(80), 20);
  assert.match(head, /2 interrupted/);
  assert.doesNotMatch(head, /running/);
});

test("while a sweep is told of, its runs come and go in silence", () => {
  const event = { timeMs: 1, sweep: sweepMessage(SWEEP) };
  let { state } = applyEvent(initialProgress(0), event, 1000);
  const phase = { timeMs: 2, phase: { runId: "trial-1", model: "plain", name: "training", detail: "" } };
  const finished = { timeMs: 3, finished: { runId: "trial-1", ok: true, message: "done" } };
  for (const told of [phase, finished]) {
    const applied = applyEvent(state, told, 2000);
    assert.deepEqual([applied.said, applied.milestones], [[], []]);
    state = applied.state;
  }
  assert.deepEqual(state.runs, []);
  const region = renderRegion(state, canvasOf(80));
  assert.match(region[0] ?? "", /^sweep robust-mnist/);
});

test("what the whole waits for stands above the sweep", () => {
  let { state } = applyEvent(initialProgress(0), { timeMs: 1, sweep: sweepMessage(SWEEP) }, 1000);
  const reporting = { timeMs: 2, phase: { runId: "", model: "", name: "reporting", detail: "report.html" } };
  state = applyEvent(state, reporting, 2000).state;
  const region = renderRegion(state, canvasOf(80));
  assert.match(region[0] ?? "", /^reporting · report\.html/);
  assert.match(region[1] ?? "", /^sweep robust-mnist/);
});

test("in a log a sweep is one line", () => {
  const { state } = applyEvent(initialProgress(0), { timeMs: 1, sweep: sweepMessage(SWEEP) }, 1000);
  assert.equal(
    plainLine(state, undefined, 61_000),
    "[1 min 01 s] sweep robust-mnist: 15 of 60 trials over, 2 running, 9 waiting, 3 done, 11 stopped, 1 failed, 2236 img/s, best area(pgd) 0.7123 of trial 12 (3fa91c02), 3 min 10 s left",
  );
});
