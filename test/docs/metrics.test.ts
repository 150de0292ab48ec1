import assert from "node:assert/strict";
import { test } from "node:test";
import { METRICS, type MetricDefinition } from "../../shared/metrics.js";
import { placeOf, readDocument, rowsOf } from "./tables.js";

const text = readDocument("docs/metrics.md");
const { start, end } = placeOf(text, "metrics");
const definitions: readonly MetricDefinition[] = Object.values(METRICS);

test("docs/metrics.md describes exactly the metrics that the processes export", () => {
  assert.deepEqual(
    rowsOf(text.slice(start, end)),
    definitions.map(({ name, type, labels, roles, help }) => [
      `\`${name}\``,
      type,
      labels.map((label) => `\`${label}\``).join(", "),
      roles.join(", "),
      help,
    ]),
  );
});

test("every metric that the text of docs/metrics.md speaks of exists", () => {
  const names = definitions.map(({ name }) => name);
  const spoken = text.match(/\bsaf_[a-z_]+[a-z]\b/g) ?? [];
  const series = (name: string): string => name.replace(/_(bucket|sum|count)$/, "");
  assert.ok(spoken.length >= names.length);
  assert.deepEqual(
    spoken.filter((name) => !names.includes(name) && !names.includes(series(name))),
    [],
  );
});
