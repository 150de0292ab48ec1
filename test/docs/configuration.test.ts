import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { settingPaths, settingsOf } from "../../deploy/cli/config-schema.js";
import { formatPath } from "../../deploy/cli/config-tree.js";
import { poolSchema } from "../../shared/config/pool.js";
import { configSchema } from "../../shared/config/run.js";
import { type Marked, marksOf } from "../../shared/config/setting.js";
import { POOL_VARIABLES } from "../../deploy/cli/pool-options.js";
import { ROOT, TABLES, placeOf, readDocument, rowsOf } from "./tables.js";

const text = readDocument("docs/configuration.md");

/** The tables of settings: where each thing stands in a row. */
const SUBJECTS: {
  what: string;
  table: string;
  schema: Marked;
  second: (path: string) => string;
  at: number[];
}[] = [
  {
    what: "a run",
    table: "settings",
    schema: configSchema,
    second: (path) => marksOf(configSchema).get(path) ?? "",
    at: [0, 1, 2, 3, 4],
  },
  {
    what: "the pool",
    table: "pool-settings",
    schema: poolSchema,
    second: (path) => `\`SAF_POOL_${path.toUpperCase()}\``,
    at: [0, 2, 3, 1, 4],
  },
];

for (const { what, table, schema, second, at } of SUBJECTS) {
  const { start, end } = placeOf(text, table);
  const rows = rowsOf(text.slice(start, end)).map((row) => at.map((column) => row[column] ?? ""));

  test(`docs/configuration.md names every setting of ${what}, in the order of the schema`, () => {
    assert.deepEqual(
      rows.map(([key]) => key),
      settingPaths(schema).map((path) => `\`${path}\``),
    );
  });

  test(`docs/configuration.md says of every setting of ${what} what it does, decides and may be`, () => {
    const expected = settingsOf(schema).map(({ path, expected, description }) => [
      `\`${formatPath(path)}\``,
      expected,
      second(formatPath(path)),
      description,
    ]);
    assert.deepEqual(
      rows.map(([key, value, , decides, help]) => [key, value, decides, help]),
      expected,
    );
  });

  test(`loading the defaults of docs/configuration.md gives those of the schema of ${what}`, () => {
    const said: Record<string, unknown> = {};
    for (const [key = "", , value = ""] of rows) {
      if (value === "") continue;
      const path = key.slice(1, -1).split(".");
      const last = path.pop() as string;
      const section = path.reduce((inner, part) => (inner[part] ??= {}) as Record<string, unknown>, said);
      section[last] = parse(value.slice(1, -1));
    }
    const withoutUndefined: unknown = JSON.parse(JSON.stringify(schema.parse({})));
    assert.deepEqual(said, withoutUndefined);
  });
}

for (const { document, name, render } of TABLES) {
  test(`the table of ${name} in ${document} is the one that the sources give`, () => {
    const found = readDocument(document);
    const place = placeOf(found, name);
    assert.equal(
      found.slice(place.start, place.end),
      render(),
      "run: node deploy/bootstrap.mjs exec dist/test/docs/update-tables.js",
    );
  });
}

/** Set by one process of ours for another, or only for tests. */
const INTERNAL = ["SAF_GPU_NAME", "SAF_TEST_REFERENCES", "SAF_TEST_SEED"];

test("docs/configuration.md names every SAF_ variable that the programs read, and no other", () => {
  const sources = ["shared", "coordinator", "worker", "deploy"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => /\.(ts|mjs)$/.test(file) && !file.includes("generated"))
      .map((file) => readFileSync(join(ROOT, folder, file), "utf8")),
  );
  const variablesIn = (source: string): string[] => source.match(/\bSAF_[A-Z0-9_]*[A-Z0-9]\b/g) ?? [];
  const read = new Set([...sources.flatMap(variablesIn), ...POOL_VARIABLES.keys()]);
  assert.ok(read.size > 10, "too few variables were found in the sources");
  assert.deepEqual(
    [...new Set(variablesIn(text))].sort(),
    [...read].filter((name) => !INTERNAL.includes(name)).sort(),
  );
});
