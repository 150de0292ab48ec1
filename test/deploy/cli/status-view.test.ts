import assert from "node:assert/strict";
import { test } from "node:test";
import picocolors from "picocolors";
import type { StatusView } from "../../../coordinator/live/core/api.js";
import { LiveState } from "../../../coordinator/live/core/live-state.js";
import { renderStatus } from "../../../deploy/cli/status-view.js";
import { wrapped } from "../../../deploy/cli/terminal.js";

const NOW = 1_800_000_000_000;
const terminal = (width: number, colours = false): Parameters<typeof renderStatus>[2] => ({
  width,
  palette: picocolors.createColors(colours),
  unicode: true,
});

/** A step that waits for a slow worker, as a coordinator tells it. */
function statusOf(): StatusView {
  const state = new LiveState({ title: "saf train", pool: "local", version: "1", started: NOW - 60_000 });
  const sizes = { batchSize: 64, done: 0, total: 600, epochs: 2 };
  const run = {
    runId: "id",
    name: "mrelu-r-m",
    network: "mrelu-r-m",
    dataSet: "mnist",
    seed: 0,
    samples: [],
  };
  state.apply({ timeMs: NOW, opened: { ...run, ...sizes } });
  state.apply({ timeMs: NOW, phase: { runId: "id", model: "mrelu-r-m", name: "training", detail: "" } });
  const progress = { runId: "id", model: "mrelu-r-m", phase: "training", done: 120, total: 600 };
  state.apply({ timeMs: NOW, progress: { ...progress, samplesPerSecond: 334.4, etaSeconds: 104 } });
  const lease = { runId: "id", unit: "step 120, slots 2–3", attempt: 2 };
  state.apply({
    timeMs: NOW,
    workers: {
      workers: [
        { workerId: "worker-1", state: "idle", engine: "tensorflow", samplesPerSecond: 209, retries: 0 },
        {
          workerId: "worker-2",
          state: "busy",
          engine: "tensorflow",
          samplesPerSecond: 41,
          retries: 3,
          note: "lease 12 is overdue after 900 ms",
        },
        {
          workerId: "worker-3",
          state: "quarantined",
          engine: "wasm",
          samplesPerSecond: 210,
          retries: 1,
          note: "it gave the lease back: out of memory",
        },
      ],
    },
    pool: {
      workers: [
        { id: "worker-1", holds: null, rests_seconds: 0 },
        { id: "worker-2", holds: { ...lease, held_seconds: 4.2, deadline_seconds: 1.1 }, rests_seconds: 0 },
        { id: "worker-3", holds: null, rests_seconds: 12 },
      ],
      waits: [
        {
          runId: "id",
          text: "step 120 waits for slots 2–3 of worker-2: held for 4.2 s, deadline in 1.1 s",
          is_late: true,
        },
      ],
      taken: [
        {
          runId: "id",
          worker: "worker-2",
          unit: "step 118, slots 2–3",
          reason: "lease 12 is overdue after 900 ms",
          ago_seconds: 7,
        },
      ],
    },
  });
  const { cluster, runs, workers, waits, taken } = state;
  return { cluster, runs: runs.map(({ view }) => view), workers, waits, taken };
}

const running = () => ({
  directory: "runs/20261130T111137Z-mrelu-r-m-a41478",
  url: "http://127.0.0.1:39699/",
  status: statusOf(),
});

test("80 columns show who is slow, what is waited for and why leases were taken away", () => {
  assert.equal(
    renderStatus(running(), NOW, terminal(80)).join("\n"),
    `runs/20261130T111137Z-mrelu-r-m-a41478  http://127.0.0.1:39699/
mrelu-r-m  training  step 120/600  20 %  334 img/s  1 min 44 s left
  step 120 waits for slots 2–3 of worker-2: held for 4.2 s, deadline in 1.1 s

worker    state         holds                since  img/s  vs median    deadline
worker-1  idle          –                             209
worker-2  busy          step 120, slots 2–3  4.2 s     41  5.1x slower  in 1.1 s
worker-3  rests 12.0 s  –                             210
    last lease taken away: it gave the lease back: out of memory

leases taken away
  7.0 s ago  worker-2  step 118, slots 2–3: lease 12 is overdue after 900 ms`,
  );
});

test("120 columns have room for retries and engines", () => {
  const text = renderStatus(running(), NOW, terminal(120)).join("\n");
  assert.match(text, /^worker +state +holds +since +img\/s +vs median +deadline +retries +engine$/m);
  assert.match(text, /^worker-2 .* 5\.1x slower +in 1\.1 s +3 +tensorflow$/m);
});

test("no line is wider than the terminal, with colours or without", () => {
  for (const width of [20, 30, 40, 60, 80, 120]) {
    for (const colours of [false, true]) {
      for (const line of renderStatus(running(), NOW, terminal(width, colours)))
        assert.ok(line.replace(/\u001b\[\d+m/g, "").length <= width, `${width}: ${line}`);
    }
  }
});

test("words of others move no cursor", () => {
  const one = running();
  const [worker] = one.status.workers;
  assert.ok(worker);
  worker.note = "evil \u001b[2J words";
  assert.doesNotMatch(renderStatus(one, NOW, terminal(80)).join("\n"), /\u001b/);
});

test("a coordinator that hangs is said to be silent, and one without workers to have none", () => {
  const one = running();
  assert.match(
    renderStatus(one, NOW + 15_000, terminal(80)).join("\n"),
    /the coordinator has said nothing for 15 s/,
  );
  const empty = { ...one, status: { ...one.status, workers: [], waits: [], taken: [] } };
  assert.match(renderStatus(empty, NOW, terminal(80)).join("\n"), /no worker has joined yet/);
});

test("text is cut between words, and a word that has no room anywhere", () => {
  assert.deepEqual(wrapped("one two three", 7), ["one two", "three"]);
  assert.deepEqual(wrapped("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
});

test("a sweep is one line below the runs", () => {
  const state = new LiveState({ title: "saf sweep", pool: "local", version: "1", started: NOW - 60_000 });
  const counts = { running: 2, waiting: 5, done: 1, stopped: 7, failed: 0 };
  const sweep = {
    name: "rates",
    title: "",
    state: "running",
    counts,
    planned: 24,
    samplesPerSecond: 2236,
    etaSeconds: 100,
  };
  state.apply({ timeMs: NOW, sweep });
  const running = { directory: "runs/rates", url: "http://here/", status: statusOf(), sweeps: state.sweeps };
  const expected =
    "sweep rates, 8 of 24 trials over, 2 running, 5 waiting, 1 done, 7 stopped, 2236 img/s, 1 min 40 s left";
  assert.ok(renderStatus(running, NOW, terminal(120)).includes(expected));
  assert.ok(renderStatus(running, NOW, terminal(60)).every((line) => line.length <= 60));
});
