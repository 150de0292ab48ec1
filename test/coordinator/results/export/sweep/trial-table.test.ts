import assert from "node:assert/strict";
import { test } from "node:test";
import { parquetReadObjects, parquetMetadata, parquetSchema } from "hyparquet";
import { csvOf } from "../../../../../coordinator/results/export/csv.js";
import { renderTrialsCsv } from "../../../../../coordinator/results/sweep/csv.js";
import { type Config, configSchema } from "../../../../../shared/config/run.js";
import { marksOf } from "../../../../../shared/config/setting.js";
import { trialsFormat } from "../../../../../coordinator/results/export/sweep/parquet.js";
import type { ExportedSweep } from "../../../../../coordinator/results/export/sweep/exported-sweep.js";
import { TRIAL_COLUMNS, trialTable } from "../../../../../coordinator/results/export/sweep/trial-table.js";
import { trialSettings } from "../../../../../coordinator/results/sweep/trial-settings.js";
import { BEGAN, ROWS, SPEC, exportedSweep } from "../../../../support/exported-sweeps.js";

async function parquetFileOf(sweep: ExportedSweep): Promise<ArrayBuffer> {
  assert.ok(trialsFormat.makes === "file");
  const bytes = (await trialsFormat.render(sweep, undefined)) as Uint8Array;
  return bytes.slice().buffer;
}

test("a trial is a row, a setting and a metric a column, behind those that every sweep has", () => {
  const { columns, length } = trialTable(exportedSweep());
  assert.equal(length, ROWS.length);
  assert.deepEqual(
    columns.map(({ name, type }) => `${name} ${type}`),
    [
      ...["trial text", "number integer", "group text", "state text", "attempt integer", "rung integer"],
      ...["samples integer", "seconds number", "images integer", "measured_images integer"],
      ...[
        "began text",
        "ended text",
        "weights text",
        "unreliable text",
        "reason text",
        "model text",
        "train.learning_rate number",
        "train.batch_size integer",
      ],
      ...["train.momentum number", "evaluate.diagnostics boolean", "network.channels text"],
      ...["seed integer", "area(adversarial) number", "clean number"],
    ],
  );
});

test("Parquet, read by hyparquet, has the table's types and values; what a trial lacks is null", async () => {
  const file = await parquetFileOf(exportedSweep());
  const types = Object.fromEntries(
    parquetSchema(parquetMetadata(file)).children.map(({ element }) => [element.name, element.type]),
  );
  assert.deepEqual(
    [types["train.learning_rate"], types["seed"], types["evaluate.diagnostics"], types["clean"]],
    ["DOUBLE", "INT64", "BOOLEAN", "DOUBLE"],
  );
  const rows = await parquetReadObjects({ file });
  const [first, second, , failed] = rows;
  assert.equal(rows.length, ROWS.length);
  assert.deepEqual(first, {
    ...{ trial: "0".repeat(16), number: 0n, group: "g".repeat(16), state: "done", attempt: 1n, rung: 1n },
    ...{
      samples: 3000n,
      seconds: 20,
      images: 200n,
      measured_images: 200n,
      began: new Date(1000 * (BEGAN + 90)).toISOString(),
      ended: new Date(1000 * (BEGAN + 200)).toISOString(),
      weights: ROWS[0]?.weights,
      unreliable: null,
    },
    ...{ reason: null, model: "mrelu", "train.learning_rate": 0.01, "train.batch_size": 64n },
    ...{ "train.momentum": 0.3, "evaluate.diagnostics": true, "network.channels": "[8,16]" },
    ...{ seed: 7n, "area(adversarial)": 0.625, clean: 0.98 },
    // Its channels are none that the network can have.
    settings: null,
  });
  assert.equal(second?.["unreliable"], "gradients vanish; Square is stronger");
  assert.deepEqual(
    [failed?.["clean"], failed?.["rung"], failed?.["train.momentum"], failed?.["reason"]],
    [null, null, null, 'the loss is "NaN", at step 3'],
  );
});

test("the columns and cells are those of the sweep's trials.csv", () => {
  const sweep = exportedSweep();
  const [head, ...lines] = csvOf(trialTable(sweep)).split("\n");
  const [own, ...others] = renderTrialsCsv(sweep).split("\n");
  assert.equal(head, own);
  assert.deepEqual(lines, others);
});

test("no setting of a run is called as a column that every sweep has", () => {
  const names = new Set(TRIAL_COLUMNS.map(({ name }) => name));
  for (const path of marksOf(configSchema).keys()) assert.ok(!names.has(path), path);
});

test("a sweep without a trial is a table without rows", async () => {
  const rows = await parquetReadObjects({ file: await parquetFileOf(exportedSweep({ rows: [] })) });
  assert.deepEqual(rows, []);
});

test("where nobody tries seeds, the column says the base's", () => {
  const { seed, ...parameters } = SPEC.parameters;
  assert.ok(seed);
  const rows = ROWS.map((row) => {
    const { seed: own, ...values } = row.values;
    assert.ok(own !== undefined || row.number > 0);
    return { ...row, values };
  });
  const table = trialTable({ spec: { ...SPEC, parameters }, settings: { seed: 12 }, rows });
  const column = table.columns.find(({ name }) => name === "seed");
  assert.deepEqual(column?.values, ROWS.map(() => 12)); // prettier-ignore
});

test("a Parquet file has all settings of a trial, as it was trained with them", async () => {
  const [first] = ROWS;
  assert.ok(first);
  const values = { model: "mrelu", "train.momentum": 0.3, seed: 7 };
  const file = await parquetFileOf(exportedSweep({ rows: [{ ...first, values }] }));
  const [row] = await parquetReadObjects({ file });
  const settings = JSON.parse(String(row?.["settings"])) as Config;
  assert.deepEqual(settings, JSON.parse(JSON.stringify(trialSettings({ train: { epochs: 2 } }, values))));
  const { train, seed } = settings;
  assert.deepEqual([settings.model, train.momentum, train.epochs, seed], ["mrelu", 0.3, 2, 7]);
  // What the network's own recipe says, and what nobody said.
  assert.ok(Number(train.batch_size) > 0 && Array.isArray(train.learning_rate));
  assert.equal(settings.evaluate.diagnostics, true);
});
