import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  type MlflowSweep,
  mlflowSweep,
} from "../../../../../coordinator/results/export/sweep/mlflow-runs.js";
import { MlflowSent } from "../../../../../coordinator/results/export/sweep/mlflow-sent.js";
import { MlflowServer } from "../../../../../coordinator/results/export/sweep/mlflow-server.js";
import {
  type MlflowReport,
  findExperiment,
  sendSweep,
} from "../../../../../coordinator/results/export/sweep/send-mlflow.js";
import type { Clock } from "../../../../../shared/clock.js";
import { ClusterError } from "../../../../../shared/errors.js";
import type { Values } from "../../../../../shared/records/sweep-line.js";
import { ROWS, exportedSweep, rowOf, rungOf } from "../../../../support/exported-sweeps.js";
import { type Fault, MlflowTwin } from "../../../../support/mlflow-twin.js";

/** Every pause is over at once, and is remembered. */
function hastyClock(pauses: number[] = []): Clock {
  return {
    now: () => 0,
    after: (delayMs, run) => {
      pauses.push(delayMs);
      queueMicrotask(run);
      return () => undefined;
    },
    every: () => () => undefined,
  };
}

async function scratchFile(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "saf-mlflow-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return join(folder, "sent.jsonl");
}

const URI = "http://tracking.example:5000";

/** What the command does. */
async function send(
  twin: MlflowTwin,
  file: string,
  sweep = exportedSweep(),
  pauses: number[] = [],
): Promise<MlflowReport> {
  const server = new MlflowServer({
    uri: URI,
    http: twin.http,
    clock: hastyClock(pauses),
    random: () => 0.5,
  });
  const told = mlflowSweep(sweep);
  const experiment = await findExperiment(server, told.experiment);
  const sent = await MlflowSent.open(file, { uri: URI, sweep: told.sweep, experiment });
  try {
    return await sendSweep(told, experiment, sent, { server });
  } finally {
    await sent.close();
  }
}

/** Every run of the sweep is there once, with all that is known of it and nothing twice. */
function assertWhole(twin: MlflowTwin, told: MlflowSweep): void {
  const all = [told.parent, ...told.children];
  assert.equal(twin.runs.size, all.length);
  for (const run of all) {
    const found = twin.run(run.key);
    assert.ok(found, run.key);
    assert.deepEqual(
      Object.fromEntries(found.params),
      Object.fromEntries(run.params.map(({ key, value }) => [key, value])),
    );
    assert.deepEqual(found.metrics, run.metrics);
    assert.deepEqual([found.status, found.end], [run.status, run.endMs]);
    for (const { key, value } of run.tags) assert.equal(found.tags.get(key), value);
    if (run !== told.parent)
      assert.equal(found.tags.get("mlflow.parentRunId"), twin.run(told.parent.key)?.id);
  }
}

test("a sweep arrives whole: a parent run, a child a trial", async (t) => {
  const twin = new MlflowTwin();
  const report = await send(twin, await scratchFile(t));
  assertWhole(twin, mlflowSweep(exportedSweep()));
  assert.deepEqual([report.runs, report.created, report.metrics], [7, 7, 12]);
});

test("the same command again sends nothing but what is new", async (t) => {
  const [twin, file] = [new MlflowTwin(), await scratchFile(t)];
  await send(twin, file);
  const before = twin.requests.length;
  await send(twin, file);
  assert.deepEqual(twin.requests.slice(before), ["experiments/get-by-name"]);

  const grown = ROWS.map((row) =>
    row.state === "waiting"
      ? rowOf(row.number, "done", row.values, [...row.rungs, rungOf(1, 0.5, 0.99)])
      : row,
  );
  const later = exportedSweep({ rows: grown });
  const report = await send(twin, file, later);
  assertWhole(twin, mlflowSweep(later));
  assert.deepEqual([report.created, report.metrics], [0, 2]);
});

test("wherever the server is lost, before or after it did what it was asked, the same command catches up", async (t) => {
  const calm = new MlflowTwin();
  await send(calm, await scratchFile(t));
  for (const fault of ["lost", "unheard"] as const) {
    for (let from = 0; from < calm.requests.length; from++) {
      const [twin, file] = [
        new MlflowTwin((count) => (count >= from ? fault : undefined)),
        await scratchFile(t),
      ];
      await assert.rejects(
        send(twin, file),
        (error) => error instanceof ClusterError && error.exitCode === 5,
      );
      twin.mend();
      await send(twin, file);
      assertWhole(twin, mlflowSweep(exportedSweep()));
    }
  }
});

test("single requests that fail are tried again and leave no trace", async (t) => {
  const kinds = ["lost", "unheard", 503, 429, "unheard"] as const;
  for (let seed = 0; seed < 20; seed++) {
    // Five of them at most, so that none gives up: there are six tries.
    const faults = new Map<number, Fault>(kinds.map((kind, i) => [(seed * 7 + i * (seed + 3)) % 29, kind]));
    const twin = new MlflowTwin((count) => faults.get(count));
    await send(twin, await scratchFile(t));
    assertWhole(twin, mlflowSweep(exportedSweep()));
  }
});

test("pauses grow, and are as long as the server asks for", async (t) => {
  const pauses: number[] = [];
  const twin = new MlflowTwin((count) => (count < 3 ? "lost" : count === 3 ? 429 : undefined));
  await send(twin, await scratchFile(t), exportedSweep(), pauses);
  assert.deepEqual(pauses, [375, 750, 1500, 7000]);
});

test("a lost file costs a look at the server, and nothing is sent twice", async (t) => {
  const twin = new MlflowTwin();
  await send(twin, await scratchFile(t));
  const report = await send(twin, await scratchFile(t));
  assertWhole(twin, mlflowSweep(exportedSweep()));
  assert.deepEqual([report.created, report.metrics], [0, 0]);
});

test("a line that was torn by a kill is looked up again", async (t) => {
  const [twin, file] = [new MlflowTwin(), await scratchFile(t)];
  await send(twin, file);
  await appendFile(file, '{"kind":"run","key":"to');
  await send(twin, file);
  await send(twin, file);
  assertWhole(twin, mlflowSweep(exportedSweep()));
  assert.ok((await readFile(file, "utf8")).endsWith("\n"));
});

test("a trial with thousands of numbers keeps the limits of a request", async (t) => {
  const many: Values = Object.fromEntries(Array.from({ length: 250 }, (_, i) => [`data.setting_${i}`, i]));
  const metrics = Object.fromEntries(
    Array.from({ length: 700 }, (_, i) => [`accuracy(pgd-40, ${i / 1000})`, i]),
  );
  const rungs = [0, 1, 2].map((rung) => rungOf(rung, 0, 0, { metrics }));
  const sweep = exportedSweep({ rows: [rowOf(0, "done", many, rungs)] });
  const twin = new MlflowTwin();
  await send(twin, await scratchFile(t), sweep);
  assertWhole(twin, mlflowSweep(sweep));
});

test("thousands of trials are found again by pages", async (t) => {
  const rows = Array.from({ length: 2100 }, (_, i) => rowOf(i, "running", {}, []));
  const sweep = exportedSweep({ rows });
  const twin = new MlflowTwin();
  await send(twin, await scratchFile(t), sweep);
  assert.equal((await send(twin, await scratchFile(t), sweep)).created, 0);
  assert.equal(twin.runs.size, 2101);
});

test("a refusal is told as the server words it, and is not tried again", async (t) => {
  const twin = new MlflowTwin((_, path) => (path === "runs/create" ? 403 : undefined));
  await assert.rejects(send(twin, await scratchFile(t)), (error) => {
    assert.ok(error instanceof ClusterError);
    assert.match(error.message, /MLflow refuses POST .*runs\/create: 403/);
    assert.match(error.hint ?? "", /MLFLOW_TRACKING_TOKEN/);
    return true;
  });
  assert.equal(twin.requests.filter((path) => path === "runs/create").length, 1);
});

test("an experiment that was deleted there is said, not written into", async (t) => {
  const twin = new MlflowTwin();
  twin.experiments.set("robust", { id: "9", lifecycle_stage: "deleted" });
  await assert.rejects(send(twin, await scratchFile(t)), /it was deleted there/);
});

test("a file about another sweep is not gone on with", async (t) => {
  const [twin, file] = [new MlflowTwin(), await scratchFile(t)];
  await send(twin, file);
  await assert.rejects(send(twin, file, exportedSweep({ began: 1 })), /remembers what .* of another sweep/);
});

test("what is no MLflow server is told so", async () => {
  const http = (): Promise<{ status: number; body: string }> =>
    Promise.resolve({ status: 200, body: "<html>" });
  const server = new MlflowServer({ uri: URI, http, clock: hastyClock(), random: () => 0 });
  await assert.rejects(findExperiment(server, "robust"), /does not answer as an MLflow server/);
});
