import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { exportSweep } from "../../../../../coordinator/results/export/sweep/export-sweep.js";
import { mlflowFormat } from "../../../../../coordinator/results/export/sweep/mlflow.js";
import { metricKey } from "../../../../../coordinator/results/export/sweep/mlflow-runs.js";
import type { ExportedSweep } from "../../../../../coordinator/results/export/sweep/exported-sweep.js";
import { BEGAN, ROWS, exportedSweep, rowOf, rungOf } from "../../../../support/exported-sweeps.js";

interface StoredRun {
  meta: Record<string, unknown>;
  params: Record<string, string>;
  tags: Record<string, string>;
  metrics: Record<string, string>;
}

/** As MLflow's file_store.py reads one: a folder a run, a file a name, folders inside belonging to the name. */
function read(sweep: ExportedSweep): { experiments: Record<string, unknown>[]; runs: StoredRun[] } {
  assert.ok(mlflowFormat.makes === "folder");
  const experiments: Record<string, unknown>[] = [];
  const runs = new Map<string, StoredRun>();
  for (const [path, content] of Object.entries(mlflowFormat.render(sweep))) {
    const [experiment, run, ...rest] = path.split("/");
    const text = String(content);
    if (run === "meta.yaml") {
      experiments.push(parse(text) as Record<string, unknown>);
      continue;
    }
    const key = `${experiment}/${run}`;
    const stored = runs.get(key) ?? { meta: {}, params: {}, tags: {}, metrics: {} };
    runs.set(key, stored);
    const [kind = "", ...name] = rest;
    if (kind === "meta.yaml") stored.meta = parse(text) as Record<string, unknown>;
    else if (kind === "params" || kind === "tags" || kind === "metrics") stored[kind][name.join("/")] = text;
    else assert.fail(path);
  }
  return { experiments, runs: [...runs.values()] };
}

test("a store has the experiment, a parent run, and a run a trial that names it", () => {
  const { experiments, runs } = read(exportedSweep());
  assert.deepEqual(
    experiments.map(({ name, lifecycle_stage: stage }) => [name, stage]),
    [["Default", "active"], ["robust", "active"]], // prettier-ignore
  );
  const [parent, ...children] = runs;
  assert.equal(children.length, ROWS.length);
  assert.equal(parent?.meta["run_name"], "robust-20261124");
  assert.equal(parent?.meta["status"], 1, "some trials are under way");
  for (const { meta, tags } of children) {
    assert.equal(tags["mlflow.parentRunId"], parent?.meta["run_id"]);
    assert.equal(tags["mlflow.runName"], meta["run_name"]);
    assert.equal(meta["experiment_id"], experiments[1]?.["experiment_id"]);
    assert.equal(meta["run_uuid"], meta["run_id"]);
  }
});

test("a trial has its settings as parameters, its rungs as a metric's history, the rest as tags", () => {
  const [, first, second] = read(exportedSweep()).runs;
  assert.deepEqual(first?.params, {
    ...{ model: "mrelu", "train.learning_rate": "0.01", "train.batch_size": "64", "train.momentum": "0.3" },
    ...{ "evaluate.diagnostics": "true", "network.channels": "[8,16]", seed: "7" },
  });
  assert.deepEqual(first?.metrics, {
    clean: `${BEGAN + 100}000 0.95 1000\n${BEGAN + 200}000 0.98 3000\n`,
    "area/adversarial": `${BEGAN + 100}000 0.5 1000\n${BEGAN + 200}000 0.625 3000\n`,
  });
  assert.deepEqual(
    [first?.meta["start_time"], first?.meta["end_time"]],
    [(BEGAN + 90) * 1000, (BEGAN + 200) * 1000],
  );
  assert.equal(first?.tags["saf.weights_sha256"], ROWS[0]?.weights);
  assert.equal(second?.tags["saf.unreliable"], "gradients vanish; Square is stronger");
});

test("statuses are MLflow's numbers: a stopped trial was killed, one under way runs and has no end", () => {
  const [, ...trials] = read(exportedSweep()).runs;
  assert.deepEqual(
    trials.map(({ meta }) => [meta["status"], meta["end_time"] === null]),
    [[3, false], [3, false], [5, false], [4, false], [1, true], [1, true]], // prettier-ignore
  );
});

test("ids are the same in every export, and texts even where they look like numbers", () => {
  const [once, again] = [read(exportedSweep()), read(exportedSweep())];
  assert.deepEqual(once, again);
  for (const { meta } of once.runs) {
    assert.match(String(meta["run_id"]), /^[0-9a-f]{32}$/);
    assert.equal(typeof meta["experiment_id"], "string");
  }
  assert.match(String(once.experiments[1]?.["experiment_id"]), /^[1-9]\d{17}$/);
});

test("names of metrics are names in MLflow, and none is a folder of another", () => {
  const names = ["clean", "area(pgd-40)", "area(pgd-40, l2)", "accuracy(pgd-40, 0.3)", "accuracy(pgd-40, l2, 0.3)", "worst(0.3)"]; // prettier-ignore
  const keys = names.map(metricKey);
  assert.deepEqual(keys.slice(0, 4), ["clean", "area/pgd-40", "area/pgd-40_l2", "accuracy/pgd-40_0.3"]);
  for (const key of keys) {
    assert.match(key, /^[/\w.\- ]+$/);
    assert.ok(!keys.some((other) => other.startsWith(`${key}/`)), key);
  }
});

test("a sweep whose trials have all ended is finished, with the end of the last", () => {
  const rows = [rowOf(0, "done", {}, [rungOf(0, 0.5, 0.9)]), rowOf(1, "stopped", {}, [rungOf(1, 0.5, 0.9)])];
  const [parent] = read(exportedSweep({ rows })).runs;
  assert.deepEqual([parent?.meta["status"], parent?.meta["end_time"]], [3, (BEGAN + 200) * 1000]);
});

test("--force replaces an earlier export, and no store that has runs of somebody else", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "saf-export-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const out = join(folder, "mlruns");
  const { files } = await exportSweep(exportedSweep(), mlflowFormat, { out, force: false });
  await exportSweep(exportedSweep(), mlflowFormat, { out, force: true });
  const run = files.find(({ file }) => file.includes("/params/"))?.file ?? "";
  const foreign = join(run, "../../../0123456789abcdef");
  await writeFile(`${foreign}`, "");
  await assert.rejects(
    exportSweep(exportedSweep(), mlflowFormat, { out, force: true }),
    /it holds other files/,
  );
});
