/** Each export is opened by the program that it is for, where the machine has it: test/fixtures/export/open-sweep.py. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { exportSweep } from "../../../../../coordinator/results/export/sweep/export-sweep.js";
import { writeSweepResults } from "../../../../../coordinator/results/sweep/write.js";
import { SWEEP_FORMATS } from "../../../../../coordinator/results/export/sweep/formats.js";
import { BEGAN, ROWS, SPEC, exportedSweep, rowOf, rungOf } from "../../../../support/exported-sweeps.js";
import { askPython } from "../../../../support/python.js";

const LIMIT = { timeout: 120_000 };
const SCRIPT = new URL("../../../../fixtures/export/open-sweep.py", import.meta.url);

/** Undefined where the program is not there, and the test is skipped. */
async function opened<Said>(
  t: TestContext,
  name: string,
  sweep = exportedSweep(),
): Promise<Said | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "saf-export-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const format = SWEEP_FORMATS.find((one) => one.name === name);
  assert.ok(format);
  const { path } = await exportSweep(sweep, format, { out: join(folder, "export"), force: false });
  return askPython<Said>(t, SCRIPT, [name, path]);
}

interface Study {
  name: string;
  directions: string[];
  metric_names: string[];
  best: number[];
  asked: string[];
  distributions: Record<string, string>;
  trials: {
    number: number;
    state: string;
    values: number[] | null;
    params: Record<string, unknown>;
    intermediate: [number, number][];
    user_attrs: Record<string, unknown>;
    seconds: number | null;
  }[];
}

test("optuna.load_study opens the journal, ranks by it, and can go on with it", LIMIT, async (t) => {
  const study = await opened<Study>(t, "optuna");
  if (study === undefined) return;
  assert.deepEqual([study.name, study.directions, study.metric_names], ["robust", ["MAXIMIZE"], ["area(adversarial)"]]); // prettier-ignore
  assert.deepEqual(
    study.trials.map(({ state, values }) => [state, values]),
    [
      ["COMPLETE", [0.625]],
      ["COMPLETE", [0.75]],
      ["PRUNED", [0.125]],
      ["FAIL", null],
      ["RUNNING", null],
      ["RUNNING", null],
    ],
  );
  // The second is better and does not meet "clean >= 97 %".
  assert.deepEqual(study.best, [0]);
  const [first, , third] = study.trials;
  assert.deepEqual(first?.params, {
    ...{ model: "mrelu", "train.learning_rate": 0.01, "train.batch_size": 64, "train.momentum": 0.3 },
    ...{ "evaluate.diagnostics": true, "network.channels": "[8,16]", seed: 7 },
  });
  assert.ok(!("train.momentum" in (third?.params ?? {})));
  assert.deepEqual(first?.intermediate, [[1000, 0.5], [3000, 0.625]]); // prettier-ignore
  assert.equal(first?.seconds, 110);
  assert.equal(first?.user_attrs["weights_sha256"], ROWS[0]?.weights);
  assert.deepEqual(study.asked, Object.keys(SPEC.parameters).sort());
  assert.equal(study.distributions["train.learning_rate"], "FloatDistribution(high=0.1, log=True, low=0.001, step=None)"); // prettier-ignore
});

test("Optuna finds the Pareto front of a sweep with two objectives", LIMIT, async (t) => {
  const spec = { ...SPEC, objective: ["clean", "loss"], constraints: [] };
  const points = [[0.9, 0.5], [0.95, 0.75], [0.85, 0.75]] as const; // prettier-ignore
  const rows = points.map(([clean, loss], i) =>
    rowOf(i, "done", { seed: i }, [rungOf(0, 0, 0, { metrics: { clean, loss } })]),
  );
  const study = await opened<Study>(t, "optuna", exportedSweep({ spec, rows }));
  if (study === undefined) return;
  assert.deepEqual(
    [study.directions, study.best],
    [
      ["MAXIMIZE", "MINIMIZE"],
      [0, 1],
    ],
  );
});

interface Hyperparameters {
  runs: string[];
  experiment: { name: string; hparamInfos: { name: string }[]; metricInfos: { name: { tag: string } }[] };
  groups: {
    name: string;
    hparams: Record<string, unknown>;
    metricValues: { name: { tag: string }; value: number }[];
    sessions: { name: string; status: string }[];
  }[];
  scalars: Record<string, Record<string, [number, number][]>>;
}

test("TensorBoard's HParams plugin shows the trials, seeds gathered, and their curves", LIMIT, async (t) => {
  const said = await opened<Hyperparameters>(t, "tensorboard");
  if (said === undefined) return;
  assert.equal(said.runs.length, 1 + ROWS.length);
  assert.deepEqual(
    said.experiment.metricInfos.map(({ name }) => name.tag),
    ["area(adversarial)", "clean"],
  );
  const seeds = said.groups.find(({ name }) => name === "g".repeat(16));
  assert.equal(said.groups.length, new Set(ROWS.map(({ group }) => group)).size);
  assert.equal(seeds?.sessions.length, 2);
  assert.equal(seeds?.hparams["train.learning_rate"], 0.01);
  const area = seeds?.metricValues.find(({ name }) => name.tag === "area(adversarial)");
  assert.equal(area?.value, (0.625 + 0.75) / 2);
  const statuses = said.groups.flatMap(({ sessions }) =>
    sessions.map(({ status }) => status ?? "STATUS_UNKNOWN"),
  );
  assert.deepEqual(statuses.sort(), [
    ...["STATUS_FAILURE", "STATUS_SUCCESS", "STATUS_SUCCESS"],
    ...["STATUS_UNKNOWN", "STATUS_UNKNOWN", "STATUS_UNKNOWN"],
  ]);
  assert.deepEqual(said.scalars[`0-${"0".repeat(16)}`]?.["area(adversarial)"], [[1000, 0.5], [3000, 0.625]]); // prettier-ignore
});

interface PyArrow {
  types: Record<string, string>;
  rows: Record<string, unknown>[];
}

test("pyarrow reads the Parquet file with the types of its columns", LIMIT, async (t) => {
  const said = await opened<PyArrow>(t, "parquet");
  if (said === undefined) return;
  const { types, rows } = said;
  assert.deepEqual(
    [
      types["trial"],
      types["number"],
      types["train.learning_rate"],
      types["evaluate.diagnostics"],
      types["clean"],
    ],
    ["string", "int64", "double", "bool", "double"],
  );
  assert.equal(rows.length, ROWS.length);
  assert.deepEqual([rows[0]?.["seed"], rows[0]?.["clean"], rows[3]?.["clean"]], [7, 0.98, null]);
});

test(
  "pyarrow reads the trials.parquet of a sweep's folder, each trial with all of its settings",
  LIMIT,
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "saf-trials-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const rows = ROWS.map((row) => {
      const { "network.channels": none, ...values } = row.values;
      assert.ok(none);
      return { ...row, values };
    });
    const results = {
      ...exportedSweep({ rows }),
      decisions: [],
      directory: "runs/robust",
      until: BEGAN + 200,
    };
    await writeSweepResults(folder, results);
    const said = await askPython<PyArrow>(t, SCRIPT, ["parquet", join(folder, "trials.parquet")]);
    if (said === undefined) return;
    const [first] = said.rows;
    assert.equal(said.rows.length, ROWS.length);
    assert.deepEqual([first?.["state"], first?.["seed"], first?.["clean"]], ["done", 7, 0.98]);
    const settings = JSON.parse(String(first?.["settings"])) as {
      train: { epochs: number; momentum: number };
    };
    assert.deepEqual([settings.train.epochs, settings.train.momentum], [2, 0.3]);
  },
);

interface Mlflow {
  experiment: string;
  runs: {
    name: string;
    status: string;
    params: Record<string, string>;
    metrics: Record<string, number>;
    tags: Record<string, string>;
    history: Record<string, [number, number][]>;
  }[];
}

test("MLflow opens the file store: a parent run, and a run a trial below it", LIMIT, async (t) => {
  const said = await opened<Mlflow>(t, "mlflow");
  if (said === undefined) return;
  assert.equal(said.experiment, "robust");
  assert.equal(said.runs.length, 1 + ROWS.length);
  const first = said.runs.find(({ name }) => name === `0-${"0".repeat(16)}`);
  assert.deepEqual([first?.status, first?.params["train.learning_rate"]], ["FINISHED", "0.01"]);
  assert.deepEqual(first?.history["area/adversarial"], [[1000, 0.5], [3000, 0.625]]); // prettier-ignore
});
