import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { METRICS, type MetricDefinition } from "../../shared/metrics.js";
import { ROOT, readDocument } from "../docs/tables.js";
import { dashboards, panelQueries } from "../support/grafana-dashboards.js";

interface Rule {
  alert?: string;
  record?: string;
  expr: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

const rulesOf = (file: string): Rule[] =>
  (
    parse(readFileSync(join(ROOT, "deploy/monitoring/rules", file), "utf8")) as {
      groups: { rules: Rule[] }[];
    }
  ).groups.flatMap(({ rules }) => rules);

const records = rulesOf("saf-recording.yaml");
const alerts = rulesOf("saf-alerts.yaml");
const catalogue: readonly MetricDefinition[] = Object.values(METRICS);

/** Names that others export, as far as we use them. */
const FOREIGN = new Set([
  "ALERTS",
  "up",
  "nodejs_eventloop_lag_p99_seconds",
  "process_cpu_seconds_total",
  "process_resident_memory_bytes",
  "nats_varz_slow_consumers",
  "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
  "DCGM_FI_DEV_GPU_UTIL",
  "DCGM_FI_DEV_FB_USED",
  "DCGM_FI_DEV_POWER_USAGE",
  "DCGM_FI_DEV_XID_ERRORS",
]);

const annotationQueries = dashboards().flatMap(({ dashboard }) =>
  dashboard.annotations.list.map(({ expr }) => expr ?? ""),
);
const variableQueries = dashboards().flatMap(({ dashboard }) =>
  dashboard.templating.list.map(({ query }) => (typeof query === "object" ? query.query : "")),
);
const expressions = [
  ...panelQueries().map(({ expr }) => expr),
  ...records.map(({ expr }) => expr),
  ...alerts.map(({ expr }) => expr),
  ...annotationQueries,
  ...variableQueries,
];

/** Metric names in a query: what stands before matchers, a range or an operator and is no function, keyword or label. */
function namesIn(expr: string): string[] {
  const bare = expr
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
    .replaceAll(/\{[^}]*\}/g, "{}")
    .replaceAll(/\[[^\]]*\]/g, "[]")
    .replaceAll(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, " ");
  const words = bare.match(/[a-zA-Z_:][a-zA-Z0-9_:]*(?!\s*\()\b/g) ?? [];
  const keywords = /^(and|or|unless|bool|offset|by|without|on|ignoring|group_left|group_right)$/;
  return words.filter(
    (word) =>
      !keywords.test(word) &&
      (word.startsWith("saf_") ||
        word.includes(":") ||
        /^[A-Z]/.test(word) ||
        /^(up|nodejs_|process_|nats_)/.test(word)),
  );
}

const known = new Map(
  catalogue.flatMap(({ name, type }) =>
    (type === "histogram" ? ["_bucket", "_sum", "_count"] : [""]).map((suffix) => [`${name}${suffix}`, name]),
  ),
);
const recorded = new Set(records.map(({ record }) => record));

test("dashboards and rules ask for nothing that nobody exports", () => {
  const strangers = expressions
    .flatMap(namesIn)
    .filter((name) => !known.has(name) && !recorded.has(name) && !FOREIGN.has(name));
  assert.deepEqual([...new Set(strangers)], []);
});

test("every metric of the catalogue is used by a dashboard or a rule", () => {
  const used = new Set(expressions.flatMap(namesIn).map((name) => known.get(name) ?? name));
  assert.deepEqual(
    catalogue.map(({ name }) => name).filter((name) => !used.has(name)),
    [],
  );
});

test("every recording rule is used, and named level:metric:operation", () => {
  const used = new Set(expressions.flatMap(namesIn));
  for (const record of recorded) {
    assert.match(record ?? "", /^[a-z]+:saf_[a-z_]+:[a-z0-9_]+$/);
    assert.ok(used.has(record ?? ""), record);
  }
});

test("labels that queries match on are labels of that metric", () => {
  const target = ["namespace", "job", "instance", "pod", "le"];
  for (const expr of expressions)
    for (const [, name = "", matchers = ""] of expr.matchAll(/\b(saf_[a-z_]+)\{([^}]*)\}/g)) {
      const metric = catalogue.find((each) => each.name === known.get(name));
      for (const [, label = ""] of matchers.matchAll(/(\w+)(?:=~|!~|!=|=)/g))
        assert.ok(
          metric?.labels.includes(label) === true || target.includes(label),
          `${name} has no label ${label}: ${expr}`,
        );
    }
});

test("metric names follow the rules: prefix, base unit, _total on counters only", () => {
  for (const { name, type, help, labels } of catalogue) {
    assert.match(name, /^saf_[a-z]+(_[a-z]+)*$/);
    assert.equal(name.endsWith("_total"), type === "counter", name);
    assert.doesNotMatch(name, /_(ms|milliseconds|percent|kb|mb)(_|$)/, name);
    assert.ok(help.endsWith("."), name);
    for (const label of labels) assert.ok(!["task", "step", "file", "error", "path"].includes(label), name);
  }
});

test("every alert has a severity, words and a runbook with its own heading", () => {
  const runbooks = readDocument("docs/runbooks.md");
  const headings = [...runbooks.matchAll(/^## (\S+)$/gm)].map(([, name]) => name);
  assert.deepEqual(
    headings,
    alerts.map(({ alert }) => alert),
  );
  for (const { alert = "", labels, annotations } of alerts) {
    assert.ok(["critical", "warning"].includes(labels?.["severity"] ?? ""), alert);
    assert.ok((annotations?.["summary"] ?? "").endsWith("."), alert);
    assert.ok((annotations?.["description"] ?? "").length > 20, alert);
    assert.equal(annotations?.["runbook_url"], `docs/runbooks.md#${alert.toLowerCase()}`);
    const section = runbooks.split(`## ${alert}\n`)[1]?.split("\n## ")[0] ?? "";
    for (const part of ["**Means.**", "**Check.**", "**Do.**"])
      assert.ok(section.includes(part), `${alert} ${part}`);
  }
});
