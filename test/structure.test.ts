/** The shape of the sources in figures, each with a bound: classes and functions that fit in a glance, types that hold. */
import assert from "node:assert/strict";
import { test } from "node:test";
import ts from "typescript";
import { type SourceFigures, figuresOf } from "./support/source-figures.js";

const BOUNDS = { classLines: 250, classFields: 12, functionLines: 70, functionLinesP95: 35, casts: 120 };

/** Files that are tables of data, whose functions only list rows. */
const TABLES = /\/(dashboards|openapi)\b|completion-scripts/;

const figures: SourceFigures = figuresOf(["shared", "coordinator", "worker", "deploy"], ts);

test(`no class has more than ${BOUNDS.classLines} lines or ${BOUNDS.classFields} fields`, () => {
  const large = figures.classes.filter(
    ({ lines, fields }) => lines > BOUNDS.classLines || fields > BOUNDS.classFields,
  );
  assert.deepEqual(
    large.map(({ place, name, lines, fields }) => `${place} ${name}: ${lines} lines, ${fields} fields`),
    [],
  );
});

test(`no function outside tables has more than ${BOUNDS.functionLines} lines`, () => {
  const long = figures.functions.filter(
    ({ place, lines }) => lines > BOUNDS.functionLines && !TABLES.test(place),
  );
  assert.deepEqual(
    long.map(({ place, name, lines }) => `${place} ${name}: ${lines} lines`),
    [],
  );
});

test(`19 of 20 functions have at most ${BOUNDS.functionLinesP95} lines`, (t) => {
  const lengths = figures.functions.map(({ lines }) => lines).sort((a, b) => a - b);
  const p95 = lengths[Math.ceil(0.95 * lengths.length) - 1] ?? 0;
  t.diagnostic(`${lengths.length} functions, median ${lengths[lengths.length >> 1]}, p95 ${p95} lines`);
  assert.ok(p95 <= BOUNDS.functionLinesP95, `${p95} lines`);
});

test(`values are cast at most ${BOUNDS.casts} times outside decoding`, (t) => {
  t.diagnostic(`${figures.casts.length} casts`);
  const files = figures.casts.map((place) => place.replace(/:.*/s, ""));
  const counts = [...new Set(files)].map(
    (file) => [files.filter((one) => one === file).length, file] as const,
  );
  const most = counts.sort(([a], [b]) => b - a).map(([count, file]) => `${count} ${file}`);
  assert.ok(
    figures.casts.length <= BOUNDS.casts,
    `${figures.casts.length} casts: ${most.slice(0, 20).join(", ")}`,
  );
});
