import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parquetReadObjects } from "hyparquet";
import { csvFormat, csvOf } from "../../../../coordinator/results/export/csv.js";
import { IMAGE_COLUMNS, POINT_COLUMNS } from "../../../../coordinator/results/export/evaluation-rows.js";
import type {
  ExportFormat,
  ExportedRun,
  FileContent,
} from "../../../../coordinator/results/export/export-format.js";
import { parquetFormat } from "../../../../coordinator/results/export/parquet.js";
import { CURVES, WEIGHTS, measuredRun } from "../../../support/exported-runs.js";

async function render(format: ExportFormat, runs: ExportedRun[], perImage = false): Promise<FileContent> {
  assert.ok(format.of === "runs" && format.makes === "file");
  return format.render(runs, { perImage });
}

/** RFC 4180, read by one expression: a quoted field or one without quotes, then a comma or the end of the line. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, bare, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n)/g)) {
    rows.at(-1)?.push(quoted?.replaceAll('""', '"') ?? bare ?? "");
    if (end === "\n") rows.push([]);
  }
  assert.deepEqual(rows.pop(), []);
  return rows;
}

function objectsOf(text: string): Record<string, string>[] {
  const [names = [], ...rows] = readCsv(text);
  return rows.map((row) => Object.fromEntries(row.map((field, i) => [names[i] ?? "", field])));
}

async function readParquet(content: FileContent): Promise<Record<string, unknown>[]> {
  const bytes = content as Uint8Array;
  return parquetReadObjects({ file: bytes.slice().buffer });
}

const withImages = (): ExportedRun => {
  const label = { protocol: "modern", attack: "pgd-40", norm: "linf" };
  const task = (kind: "clean" | "nonsense", firstImage: number): object => ({
    ...{ id: `${kind}-task`, kind, strengths: [0.5], firstImage, imageCount: 2, sampleCount: 0 },
    ...(kind === "clean" ? {} : label),
  });
  const outcome = (predictions: number[]): object => ({
    strength: 0.5,
    predictions: Uint8Array.from(predictions),
    confidences: Float32Array.of(0.25, 0.1),
    wrong: Uint8Array.of(0, 1),
  });
  const records = [
    { task: task("nonsense", 1), worker: "w", outcomes: [outcome([11, 3])], samples: [] },
    { task: task("clean", 0), worker: "w", outcomes: [outcome([7, 9])], samples: [] },
  ];
  const images = { records, labels: Uint8Array.of(7, 2, 1) } as unknown as ExportedRun["images"];
  return measuredRun(CURVES, { images });
};

test("a point is one row, whatever it was measured by; what is not known is empty", async () => {
  const rows = objectsOf((await render(csvFormat, [measuredRun(CURVES)])) as string);
  assert.equal(rows.length, CURVES.length);
  const [clean, paper, modern, nonsense] = rows;
  assert.deepEqual(clean, {
    ...{ schema_version: "1", run: "20261124T101500Z-mrelu-abcdef", model: "mrelu", dataset: "mnist" },
    ...{ seed: "4294967295", checkpoint_sha256: WEIGHTS, step: "3", protocol: "paper", kind: "clean" },
    ...{ attack: "", norm: "", strength: "0", n: "200", errors: "4", error: "0.02", ci_low: "0" },
    ...{ ci_high: "0.07", mean_confidence: "0.1", unreliable: "false", reason: "" },
    ...{ engine: "wasm, tensorflow", saf_version: "0.1.0" },
  });
  assert.deepEqual([paper?.attack, paper?.norm, paper?.errors], ["adversarial", "linf", "20"]);
  assert.deepEqual([modern?.protocol, modern?.attack, modern?.unreliable], ["modern", "pgd-40", "true"]);
  assert.equal(modern?.reason, 'gradients vanish, "masked"; Square is stronger');
  assert.equal(nonsense?.mean_confidence, "");
});

test("a result that is unreliable as a whole marks its attacked points, not the clean one", async () => {
  const run = measuredRun(CURVES);
  const result = { ...run.result, unreliable: ["zero gradients"] } as unknown as ExportedRun["result"];
  const rows = objectsOf((await render(csvFormat, [{ ...run, result }])) as string);
  assert.deepEqual(
    rows.map(({ unreliable, reason }) => [unreliable, reason?.includes("zero gradients")]),
    [["false", false], ["true", true], ["true", true], ["true", true]], // prettier-ignore
  );
});

test("per image: prediction, truth and confidence; nonsense has no true class", async () => {
  const rows = objectsOf((await render(csvFormat, [withImages()], true)) as string);
  assert.deepEqual(
    rows.map(({ kind, attack, index, label, prediction, confidence, wrong, task }) =>
      [kind, attack, index, label, prediction, confidence, wrong, task].join(" "),
    ),
    [
      "clean  0 7 7 0.25 false clean-task",
      "clean  1 2 9 0.10000000149011612 true clean-task",
      "nonsense pgd-40 1  11 0.25 false nonsense-task",
      "nonsense pgd-40 2  3 0.10000000149011612 true nonsense-task",
    ],
  );
});

for (const perImage of [false, true]) {
  test(`Parquet, read by hyparquet, holds what the CSV does (per image: ${perImage})`, async () => {
    const runs = [withImages(), measuredRun(CURVES.slice(0, 2), { images: withImages().images })];
    const texts = objectsOf((await render(csvFormat, runs, perImage)) as string);
    const found = await readParquet(await render(parquetFormat, runs, perImage));
    assert.equal(found.length, perImage ? 8 : 6);
    const columns: readonly { name: string; type: string }[] = perImage ? IMAGE_COLUMNS : POINT_COLUMNS;
    found.forEach((row, i) => {
      assert.deepEqual(
        Object.keys(row),
        columns.map(({ name }) => name),
      );
      for (const { name, type } of columns) {
        const cell = row[name];
        const text = texts[i]?.[name];
        if (cell == null) assert.equal(text, "", `${name} of row ${i}`);
        else {
          const types = { text: "string", integer: "bigint", number: "number", boolean: "boolean" };
          assert.equal(typeof cell, types[type as keyof typeof types], name);
          assert.equal(String(cell as string), text, `${name} of row ${i}`);
        }
      }
    });
  });
}

test("any text and any number survive the CSV", () => {
  const cell = fc.oneof(fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true }));
  fc.assert(
    fc.property(fc.array(cell, { minLength: 1 }), (values) => {
      const text = csvOf({ columns: [{ name: "a", type: "text", values }], length: values.length });
      // A lone carriage return is quoted as well, so the reader above may take lines at their feeds.
      const [, ...rows] = readCsv(text);
      assert.deepEqual(
        rows.map(([field]) => field),
        values.map((value) => (Object.is(value, -0) ? "0" : String(value))),
      );
    }),
  );
});

test("nothing measured is an error, not an empty table", async () => {
  for (const format of [csvFormat, parquetFormat]) {
    await assert.rejects(
      async () => render(format, [{ ...measuredRun([]), result: null }]),
      /nothing was measured/,
    );
  }
});
