import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import {
  type Said,
  applyEvent,
  duration,
  figure,
  initialProgress,
  type ProgressState,
} from "../../../deploy/cli/progress-state.js";
import type { Canvas } from "../../../deploy/cli/drawing.js";
import { plainLine, renderRegion, saidLines } from "../../../deploy/cli/progress-view.js";
import { saf } from "../../../shared/proto/generated/control.js";
import type { ProgressEvent } from "../../../shared/events.js";

const plain = (text: string): string => text;
const palette = { bold: plain, dim: plain, green: plain, yellow: plain, red: plain, cyan: plain };
const canvas = (over: Partial<Canvas> = {}): Canvas => ({
  width: 110,
  height: 24,
  nowMs: 0,
  palette,
  unicode: true,
  ...over,
});

/** The state after events at given times. */
function after(...events: [nowMs: number, event: ProgressEvent][]): ProgressState {
  return events.reduce((state, [nowMs, event]) => applyEvent(state, event, nowMs).state, initialProgress(0));
}

const training = (over: ProgressEvent["progress"] = {}): ProgressEvent => ({
  progress: {
    runId: "a",
    model: "plain",
    phase: "training",
    done: 300,
    total: 1200,
    epoch: 1.5,
    epochs: 6,
    loss: 0.25,
    accuracy: 0.9,
    samplesPerSecond: 1840.3,
    etaSeconds: 108,
    ...over,
  },
});
const busy = (...ids: string[]): ProgressEvent => ({
  workers: {
    workers: ids.map((workerId) => ({
      workerId,
      state: "busy",
      engine: "wasm",
      leaseMs: 140,
      samplesPerSecond: 920,
      rssBytes: 2 ** 29,
    })),
  },
});

test("a run in training is a phase line, a bar with its figures, and a table of workers", () => {
  const state = after([0, training()], [0, busy("w1", "w2")]);
  assert.deepEqual(renderRegion(state, canvas({ nowMs: 3000 })), [
    "training plain · epoch 1.5 of 6 · 3 s",
    `${"━".repeat(9)}╸${"─".repeat(29)}   25 %   300/1200  loss 0.2500  accuracy 90.0 %  1840 img/s  1:48 left`,
    "",
    "worker  state  engine  img/s   lease   memory",
    "w1      busy   wasm      920  140 ms  512 MiB",
    "w2      busy   wasm      920  140 ms  512 MiB",
  ]);
});

test("a decoded message is an event as it is", () => {
  const message = saf.v1.Event.decode(
    saf.v1.Event.encode({
      timeMs: 5,
      progress: { runId: "a", model: "m", phase: "training", done: 2, total: 4 },
    }).finish(),
  );
  const [title, bar] = renderRegion(after([0, message]), canvas());
  assert.match(title ?? "", /^training m/);
  assert.match(bar ?? "", / 50 % {2}2\/4/);
});

test("while something is awaited, it says what and for how long", () => {
  const waiting = after([0, { phase: { name: "waiting", detail: "0 of 2 workers" } }]);
  assert.deepEqual(renderRegion(waiting, canvas({ nowMs: 4000 })), ["waiting · 0 of 2 workers · 4 s"]);
  assert.deepEqual(renderRegion(waiting, canvas({ nowMs: 75_000 })), [
    "waiting · 0 of 2 workers · 1 min 15 s · nothing heard for 1 min 15 s",
  ]);
  assert.deepEqual(renderRegion(initialProgress(0), canvas({ nowMs: 2000 })), [
    "waiting for the coordinator · 2 s",
  ]);
  assert.equal(
    plainLine(waiting, waiting.runs[0], 20_000),
    "[20 s] waiting: 0 of 2 workers, 20 s so far, nothing heard for 20 s",
  );
});

test("a coordinator that started again waits for workers only until the run goes on", () => {
  const again: [number, ProgressEvent][] = [
    [0, training()],
    [1000, { phase: { name: "waiting", detail: "for 1 worker(s)" } }],
  ];
  assert.deepEqual(
    after(...again).runs.map(({ runId }) => runId),
    ["a", ""],
  );
  assert.deepEqual(
    after(...again, [2000, training({ done: 301 })]).runs.map(({ runId }) => runId),
    ["a"],
  );
});

test("a run that stands still names whom it waits for", () => {
  const title = (state: ProgressState, nowMs: number): string =>
    renderRegion(state, canvas({ nowMs }))[0] ?? "";
  const state = after([0, training()], [11_000, busy("w1", "w2")]);
  assert.match(title(state, 12_000), /no step for 12 s, waiting for w1, w2$/);
  assert.doesNotMatch(title(state, 4000), /no step/);
  assert.match(
    title(
      after([0, training()], [9000, { workers: { workers: [{ workerId: "w1", state: "lost" }] } }]),
      12_000,
    ),
    /no worker is alive$/,
  );
  assert.match(title(state, 40_000), /nothing heard from the coordinator$/);
  const many = after([0, training()], [9000, busy("a", "b", "c", "d", "e")]);
  assert.match(title(many, 9000), /waiting for a, b, c and 2 more$/);
});

test("slow leases are no silence", () => {
  const slow = { workers: { workers: [{ workerId: "w1", state: "busy", leaseMs: 20_000 }] } };
  assert.doesNotMatch(
    renderRegion(after([0, training()], [0, slow]), canvas({ nowMs: 30_000 }))[0] ?? "",
    /no step/,
  );
});

test("a progress event without news of `done` does not end the silence", () => {
  const state = after([0, training()], [8000, training()], [8000, busy("w1")]);
  assert.match(renderRegion(state, canvas({ nowMs: 9000 }))[0] ?? "", /no step for 9 s/);
});

test("narrow terminals lose the less telling figures first, and never a line too wide", () => {
  const state = after([0, training()], [0, busy("w1")]);
  const bar = (width: number): string => renderRegion(state, canvas({ width }))[1] ?? "";
  assert.match(bar(60), /% {2}loss 0\.2500 {2}accuracy 90\.0 % {2}1:48 left$/);
  assert.match(bar(45), /% {2}loss 0\.2500 {2}1:48 left$/);
  assert.match(bar(30), /% {2}1:48 left$/);
  assert.match(bar(20), /25 %$/);
  assert.equal(bar(5), "25 %");
});

test("any events on any terminal give printable lines that fit", () => {
  const text = fc.string({ unit: "binary", maxLength: 20 });
  const number = fc.oneof(fc.double(), fc.integer({ min: 0, max: 5000 }));
  const event: fc.Arbitrary<ProgressEvent> = fc.oneof(
    fc.record({
      phase: fc.record({
        runId: fc.constantFrom("", "a", "b", "c"),
        model: text,
        name: fc.oneof(text, fc.constant("training")),
        detail: text,
      }),
    }),
    fc.record({
      progress: fc.record(
        {
          runId: fc.constantFrom("", "a", "b", "c", "d"),
          model: text,
          phase: fc.constantFrom("training", "evaluating"),
          done: number,
          total: number,
          epoch: number,
          epochs: number,
          loss: number,
          accuracy: number,
          samplesPerSecond: number,
          etaSeconds: number,
        },
        { requiredKeys: [] },
      ),
    }),
    fc.record({
      workers: fc.record({
        workers: fc.array(
          fc.record({
            workerId: text,
            state: fc.constantFrom("busy", "idle", "lost"),
            engine: text,
            leaseMs: number,
            rssBytes: number,
          }),
          { maxLength: 30 },
        ),
      }),
    }),
    fc.record({ note: fc.record({ level: text, message: text }) }),
    fc.record({ finished: fc.record({ runId: fc.constantFrom("a", "b"), ok: fc.boolean(), message: text }) }),
  );
  const size = fc.record({
    width: fc.integer({ min: 1, max: 200 }),
    height: fc.integer({ min: 1, max: 40 }),
    unicode: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 12 }),
      size,
      fc.integer({ min: 0, max: 1e7 }),
      (events, { width, height, unicode }, nowMs) => {
        let state = initialProgress(0);
        const lines: string[] = [];
        for (const next of events) {
          const applied = applyEvent(state, next, nowMs);
          state = applied.state;
          lines.push(...applied.said.flatMap((said) => saidLines(said, canvas({ unicode }))));
        }
        const region = renderRegion(state, canvas({ width, height, nowMs, unicode }));
        assert.ok(region.length <= Math.max(1, height - 1), `${region.length} lines on ${height}`);
        for (const line of region) assert.ok([...line].length <= width, `${line} is wider than ${width}`);
        for (const run of state.runs) lines.push(plainLine(state, run, nowMs));
        for (const line of [...region, ...lines]) assert.equal(line.replace(/[\p{Cc}\p{Cf}]/gu, ""), line);
      },
    ),
    { numRuns: 500 },
  );
});

test("on a low terminal workers are counted before they are cut", () => {
  const state = after([0, training()], [0, busy(..."abcdefgh")]);
  const region = renderRegion(state, canvas({ height: 8 }));
  assert.equal(region.length, 7);
  assert.equal(region.at(-1), "and 6 more (8 workers: 8 busy, 0 idle)");
  assert.equal(renderRegion(state, canvas({ height: 5 })).at(-1), "8 workers: 8 busy, 0 idle");
});

test("many runs are counted before they are cut", () => {
  const events = Array.from({ length: 10 }, (_, i): [number, ProgressEvent] => [
    0,
    training({ runId: `r${i}`, model: `m${i}` }),
  ]);
  const region = renderRegion(after(...events), canvas({ height: 8 }));
  assert.deepEqual([region.length, region.at(-1)], [7, "and 7 more runs"]);
});

test("the end of a phase and of a run leave words behind; a phase and an epoch are milestones", () => {
  const trained = after([0, training({ epoch: 0.5 })]);
  assert.deepEqual(applyEvent(trained, training({ epoch: 0.9 }), 1000).milestones, []);
  assert.deepEqual(applyEvent(trained, training({ epoch: 1.1 }), 1000).milestones, ["a"]);

  const evaluating = applyEvent(
    trained,
    { progress: { runId: "a", phase: "evaluating", done: 1, total: 9 } },
    12_000,
  );
  assert.deepEqual(evaluating.milestones, ["a"]);
  assert.deepEqual(evaluating.said, [
    { level: "done", text: "plain: trained 300 steps in 12 s, loss 0.2500, accuracy 90.0 %" },
  ]);
  assert.equal(evaluating.state.runs[0]?.model, "plain", "the model is still known");

  const finished = applyEvent(
    evaluating.state,
    { finished: { runId: "a", ok: false, message: "the loss is NaN", exitCode: 4 } },
    13_000,
  );
  assert.deepEqual(finished.said, [{ level: "error", text: "plain: the loss is NaN" }]);
  assert.deepEqual(finished.state.runs, []);
});

test("what ends the whole work is told by the command that ends, and not before", () => {
  const failed = { ok: false, message: "the loss is NaN", code: "diverged", exitCode: 4 };
  const alone = applyEvent(
    { ...after([0, training()]), isOneRun: true },
    { finished: { runId: "a", ...failed } },
    1,
  );
  assert.deepEqual(alone.said, []);
  assert.deepEqual(alone.state.runs, [], "its bar is gone");
  const all = applyEvent(after([0, training()]), { finished: failed }, 1);
  assert.deepEqual(all.said, []);
});

test("another piece of work in the same phase begins with no bar, and the one before it is told", () => {
  const measured = after(
    [0, { phase: { runId: "a", model: "plain", name: "evaluating", detail: "clean, paper" } }],
    [9000, { progress: { runId: "a", phase: "evaluating", done: 9, total: 9, etaSeconds: 0 } }],
  );
  const next = { phase: { runId: "a", model: "plain", name: "evaluating", detail: "feature statistics" } };

  const applied = applyEvent(measured, next, 10_000);

  assert.deepEqual(applied.said, [{ level: "done", text: "plain: evaluated in 10 s" }]);
  assert.deepEqual(applied.milestones, ["a"]);
  assert.deepEqual(renderRegion(applied.state, canvas({ nowMs: 12_000 })), [
    "evaluating plain · feature statistics · 2 s",
  ]);
});

test("a run that was interrupted does not look done", () => {
  const interrupted = applyEvent(
    after([0, training()]),
    { finished: { runId: "a", ok: true, message: "interrupted", code: "interrupted" } },
    1000,
  );
  assert.deepEqual(interrupted.said, [{ level: "warning", text: "plain: interrupted" }]);
  assert.deepEqual(saidLines(interrupted.said[0] as Said, canvas()), ["! plain: interrupted"]);
  assert.deepEqual(interrupted.state.runs, []);
});

test("what concerns all runs names none of them", () => {
  const state = after(
    [0, training()],
    [1, { finished: { runId: "a", ok: true, message: "done" } }],
    [2, { phase: { runId: "", model: "", name: "reporting", detail: "tables, plots" } }],
  );
  assert.deepEqual(renderRegion(state, canvas({ nowMs: 2 })), ["reporting · tables, plots · 0 s"]);
  const ended = applyEvent(state, { finished: { ok: true, message: "report written" } }, 3);
  assert.deepEqual(ended.said, [{ level: "done", text: "report written" }]);
  assert.deepEqual(ended.state.runs, [], "nothing is left standing");
});

test("notes keep their lines and lose their control characters", () => {
  assert.deepEqual(saidLines({ level: "warning", text: "one\ntwo\u001b[31m" }, canvas()), [
    "! one",
    "  two [31m",
  ]);
  assert.deepEqual(saidLines({ level: "error", text: "x" }, canvas({ unicode: false })), ["error: x"]);
});

test("colours change nothing but colours", () => {
  const red = (text: string): string => `\u001b[31m${text}\u001b[39m`;
  const painted = { bold: red, dim: red, green: red, yellow: red, red, cyan: red };
  const state = after([0, training()], [0, busy("w1", "w2")]);
  for (const width of [30, 60, 120]) {
    const coloured = renderRegion(state, canvas({ width, palette: painted })).map(stripVTControlCharacters);
    assert.deepEqual(coloured, renderRegion(state, canvas({ width })));
  }
});

test("durations and figures are short", () => {
  assert.deepEqual([0, 48, 108, 7509].map(duration), ["0 s", "48 s", "1 min 48 s", "2 h 05 min"]);
  assert.deepEqual([0, 0.2134, 12.314, 1.23e-5, Number.NaN].map(figure), [
    "0.0000",
    "0.2134",
    "12.31",
    "1.2e-5",
    "NaN",
  ]);
});
