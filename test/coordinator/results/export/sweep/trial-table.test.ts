import assert from "node:assert/strict";
import { test } from "node:test";
import { parquetReadObjects, parquetMetadata, parquetSchema } from "hyparquet";
import { csvOf } from "../../../../../coordinator/results/export/csv.js";
import { renderTrialsCsv } from "../../../../../coordinator/results/sweep/csv.js";
import { configSchema } from "../../../../../shared/config/run.js";
import { marksOf } from "../../../../../shared/config/setting.js";
import { trialsFormat } from "../../../../../coordinator/results/export/sweep/parquet.js";
import type { ExportedSweep } from "../../../../../coordinator/results/export/sweep/exported-sweep.js";
import { TRIAL_COLUMNS, trialTable } from "../../../../../coordinator/results/export/sweep/trial-table.js";
import { ROWS, exportedSweep } from "../../../../support/exported-sweeps.js";

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
        "weights text",
        "unreliable text",
        "reason text",
        "model text",
        "train.learning_rate number",
        "train.batch_size integer",
      ],
      ...["train.momentum number", "train.shuffle boolean", "network.channels text"],
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
    [types["train.learning_rate"], types["seed"], types["train.shuffle"], types["clean"]],
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
      weights: ROWS[0]?.weights,
      unreliable: null,
    },
    ...{ reason: null, model: "mrelu", "train.learning_rate": 0.01, "train.batch_size": 64n },
    ...{ "train.momentum": 0.3, "train.shuffle": true, "network.channels": "[8,16]" },
    ...{ seed: 7n, "area(adversarial)": 0.625, clean: 0.98 },
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
