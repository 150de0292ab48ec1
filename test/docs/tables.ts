/** The tables that the documents take from the sources, and where they stand in a document. */
import { markdownTable as paddedTable } from "../../coordinator/results/report/markdown.js";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { IMAGE_COLUMNS, POINT_COLUMNS } from "../../coordinator/results/export/evaluation-rows.js";
import { FORMAT_TITLES } from "../../coordinator/results/export/format-names.js";
import { EXPORT_FORMATS } from "../../coordinator/results/export/formats.js";
import { SWEEP_FORMAT_TITLES } from "../../coordinator/results/export/sweep/format-names.js";
import { SWEEP_FORMATS } from "../../coordinator/results/export/sweep/formats.js";
import { TRIAL_COLUMNS } from "../../coordinator/results/export/sweep/trial-table.js";
import { openApiDocument } from "../../coordinator/live/core/openapi.js";
import { attackDefinition, attackNames, attackOptions } from "../../shared/attacks.js";
import { poolSchema } from "../../shared/config/pool.js";
import { configSchema } from "../../shared/config/run.js";
import { type Marked, marksOf } from "../../shared/config/setting.js";
import { sweepSchema } from "../../shared/config/sweep.js";
import { METRICS, type MetricDefinition } from "../../shared/metrics.js";
import { FAMILIES, TRICKS } from "../../shared/networks/registry.js";
import { VERSION } from "../../shared/version.js";
import { settingsOf } from "../../deploy/cli/config-schema.js";
import { formatPath } from "../../deploy/cli/config-tree.js";
import { POOL_VARIABLES } from "../../deploy/cli/pool-options.js";

/** Compiled to dist/test/docs/: the repository is three folders up. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");

export function readDocument(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** Documents with a table of each name, between `<!-- NAME -->` and `<!-- /NAME -->`. */
export const TABLES: readonly { document: string; name: string; render: () => string }[] = [
  { document: "docs/configuration.md", name: "settings", render: settingsTable },
  { document: "docs/configuration.md", name: "pool-settings", render: poolSettingsTable },
  { document: "docs/configuration.md", name: "families", render: familiesTable },
  { document: "docs/configuration.md", name: "flags", render: flagsTable },
  { document: "docs/sweeps.md", name: "sweep-settings", render: sweepSettingsTable },
  { document: "docs/metrics.md", name: "metrics", render: metricsTable },
  { document: "docs/attacks.md", name: "attacks", render: attacksTable },
  { document: "docs/attacks.md", name: "options", render: attackOptionsTable },
  { document: "docs/formats.md", name: "export-formats", render: exportFormatsTable },
  { document: "docs/formats.md", name: "sweep-export-formats", render: sweepExportFormatsTable },
  { document: "docs/formats.md", name: "trial-rows", render: () => columnsTable(TRIAL_COLUMNS) },
  { document: "docs/formats.md", name: "evaluation-rows", render: () => columnsTable(POINT_COLUMNS) },
  { document: "docs/formats.md", name: "image-rows", render: () => columnsTable(IMAGE_COLUMNS) },
];

/** Where the text between the marks of `name` begins and ends. Throws RangeError when a mark is missing. */
export function placeOf(text: string, name: string): { start: number; end: number } {
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const start = text.indexOf(open) + open.length;
  const end = text.indexOf(close);
  if (start < open.length || end < start) throw new RangeError(`There is no ${open} … ${close}`);
  return { start, end };
}

export const OPENAPI_FILE = join(ROOT, "docs/openapi.json");

export function openApiText(): string {
  return `${JSON.stringify(openApiDocument(VERSION), null, 2)}\n`;
}

/** The rows of the Markdown table in `text`, heading left out: cells without their padding, `\|` read as a bar. */
export function rowsOf(text: string): string[][] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("|"))
    .slice(2)
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll("\\|", "|")),
    );
}

/** Every setting of a run: key, what it may be, default, what it decides, help. */
function settingsTable(): string {
  const marks = marksOf(configSchema);
  const rows = settingCells(configSchema).map(({ path, value, fallback, help }) => [
    `\`${path}\``,
    value,
    fallback,
    marks.get(path) ?? "",
    help,
  ]);
  return markdownTable(["setting", "value", "default", "decides", "what it does"], rows);
}

/** Every setting of the pool: key, its variable, what it may be, default, help. */
function poolSettingsTable(): string {
  const variables = new Map([...POOL_VARIABLES].map(([name, path]) => [path, name]));
  const rows = settingCells(poolSchema).map(({ path, value, fallback, help }) => [
    `\`${path}\``,
    `\`${variables.get(path) ?? ""}\``,
    value,
    fallback,
    help,
  ]);
  return markdownTable(["setting", "variable", "value", "default", "what it does"], rows);
}

/** Every key of a sweep: what it may be, default, help. */
function sweepSettingsTable(): string {
  const least = { name: "any", stopping: { method: "asha", first_samples: 1 } };
  const rows = settingCells(sweepSchema, least).map(({ path, value, fallback, help }) => [
    `\`${path}\``,
    value,
    fallback,
    help,
  ]);
  return markdownTable(["key", "value", "default", "what it does"], rows);
}

/** `least`: what must be said, and has no default. */
function settingCells(
  schema: Marked,
  least: object = {},
): { path: string; value: string; fallback: string; help: string }[] {
  const defaults: unknown = schema.parse(least);
  const at = (path: readonly string[], whole: unknown): unknown =>
    path.reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], whole);
  return settingsOf(schema).map(({ path, expected, description }) => {
    const value = at(path, defaults);
    const fallback = value === undefined || at(path, least) !== undefined ? "" : code(value);
    return { path: formatPath(path), value: expected, fallback, help: description ?? "" };
  });
}

function code(value: unknown): string {
  return `\`${JSON.stringify(value).replaceAll(",", ", ").replaceAll('"', "")}\``;
}

function familiesTable(): string {
  const rows = FAMILIES.map(({ name, title, on }) => [`\`${name}\``, title, on?.join(", ") ?? "all"]);
  return markdownTable(["family", "what it is", "data sets"], rows);
}

function flagsTable(): string {
  const rows = TRICKS.map(({ flag, title, settings }) => [
    `\`-${flag}\``,
    title,
    code(settings.mnist),
    code(settings.cifar10),
  ]);
  return markdownTable(["flag", "what it does", "MNIST", "CIFAR-10"], rows);
}

function metricsTable(): string {
  const definitions: readonly MetricDefinition[] = Object.values(METRICS);
  const rows = definitions.map(({ name, type, labels, roles, help }) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(", "),
    roles.join(", "),
    help,
  ]);
  return markdownTable(["metric", "type", "labels", "exported by", "meaning"], rows);
}

function attacksTable(): string {
  const rows = attackNames().map((name) => {
    const { title, access, norms, minimal, nonsense } = attackDefinition(name);
    const goal =
      nonsense === true ? "a real class" : minimal === true ? "smallest change" : "wrong answer in the ball";
    return [`\`${name}\``, title, access, norms.join(", "), goal];
  });
  return markdownTable(["attack", "title", "sees", "norms", "looks for"], rows);
}

function attackOptionsTable(): string {
  const rows = attackNames().flatMap((name) => {
    const defaults = attackOptions(name) as Record<string, unknown>;
    return settingsOf(attackDefinition(name).options).map(({ path, expected, description }) => {
      const key = path.join(".");
      const value = defaults[key];
      return [
        `\`${name}\``,
        `\`${key}\``,
        expected,
        value === undefined ? "" : code(value),
        description ?? "",
      ];
    });
  });
  return markdownTable(["attack", "option", "value", "default", "what it does"], rows);
}

function exportFormatsTable(): string {
  const rows = EXPORT_FORMATS.map(({ name, of, makes, suffix }) => [
    `\`${name}\``,
    FORMAT_TITLES[name],
    of === "model" ? "weights" : "what was measured",
    `\`<name>${suffix}${makes === "folder" ? "/" : ""}\``,
  ]);
  return markdownTable(["format", "what it is", "of", "written to, without `--out`"], rows);
}

function sweepExportFormatsTable(): string {
  const rows = SWEEP_FORMATS.map(({ name, makes, suffix }) => [
    `\`${name}\``,
    SWEEP_FORMAT_TITLES[name],
    `\`<name>${suffix}${makes === "folder" ? "/" : ""}\``,
  ]);
  return markdownTable(["format", "what it is", "written to, without `--out`"], rows);
}

function columnsTable(columns: readonly { name: string; type: string; meaning: string }[]): string {
  const rows = columns.map(({ name, type, meaning }) => [`\`${name}\``, type, meaning]);
  return markdownTable(["column", "type", "meaning"], rows);
}

/** A table with an empty line before and after. */
export function markdownTable(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  return `\n\n${paddedTable(heading, rows)}\n\n`;
}
