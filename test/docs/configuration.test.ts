import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { settingPaths, settingsOf } from "../../deploy/cli/config-schema.js";
import { formatPath } from "../../deploy/cli/config-tree.js";
import { configSchema } from "../../shared/config/run.js";
import { ROOT, TABLES, placeOf, readDocument, rowsOf } from "./tables.js";

const text = readDocument("docs/configuration.md");
const { start, end } = placeOf(text, "settings");
const rows = rowsOf(text.slice(start, end));

test("docs/configuration.md names every setting, in the order of the schema", () => {
  assert.deepEqual(
    rows.map(([key]) => key),
    settingPaths(configSchema).map((path) => `\`${path}\``),
  );
});

test("docs/configuration.md says of every setting what it does and what it may be", () => {
  const expected = settingsOf(configSchema).map(({ path, expected, description }) => [
    `\`${formatPath(path)}\``,
    expected,
    description,
  ]);
  assert.deepEqual(
    rows.map(([key, value, , help]) => [key, value, help]),
    expected,
  );
});

test("loading the defaults of docs/configuration.md gives the defaults of the schema", () => {
  const said: Record<string, unknown> = {};
  for (const [key = "", , value = ""] of rows) {
    if (value === "") continue;
    const path = key.slice(1, -1).split(".");
    const last = path.pop() as string;
    const section = path.reduce((inner, part) => (inner[part] ??= {}) as Record<string, unknown>, said);
    section[last] = parse(value.slice(1, -1));
  }
  const withoutUndefined: unknown = JSON.parse(JSON.stringify(configSchema.parse({})));
  assert.deepEqual(said, withoutUndefined);
});

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
const INTERNAL = ["SAF_GPU_NAME", "SAF_TEST_SEED"];

test("docs/configuration.md names every SAF_ variable that the programs read, and no other", () => {
  const sources = ["shared", "coordinator", "worker", "deploy"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => /\.(ts|mjs)$/.test(file) && !file.includes("generated"))
      .map((file) => readFileSync(join(ROOT, folder, file), "utf8")),
  );
  const variablesIn = (source: string): string[] => source.match(/\bSAF_[A-Z0-9_]*[A-Z0-9]\b/g) ?? [];
  const read = new Set(sources.flatMap(variablesIn));
  assert.ok(read.size > 10, "too few variables were found in the sources");
  assert.deepEqual(
    [...new Set(variablesIn(text))].sort(),
    [...read].filter((name) => !INTERNAL.includes(name)).sort(),
  );
});
