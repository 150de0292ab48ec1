import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { ROOT } from "../docs/tables.js";
import { missingTools } from "../support/apt-tools.js";
import { temporaryDirectory } from "../support/cluster.js";
import { ALERT_CASES, type AlertCase } from "./alert-cases.js";

const RULES = join(ROOT, "deploy/monitoring/rules");
const files = readdirSync(RULES)
  .filter((file) => file.endsWith(".yaml"))
  .map((file) => join(RULES, file));
const missing = await missingTools(["promtool", "prometheus"], "prometheus");
const options = missing === undefined ? {} : { skip: missing };

function promtool(...args: string[]): void {
  const { status, stdout, stderr } = spawnSync("promtool", args, { encoding: "utf8" });
  assert.equal(status, 0, `${stdout}${stderr}`);
}

test("promtool finds nothing to say about the rules", options, () => {
  promtool("check", "rules", "--lint=all", "--lint-fatal", ...files);
});

test("promtool reads the scrape configuration", options, () => {
  promtool("check", "config", join(ROOT, "deploy/monitoring/prometheus.yml"));
});

test("every alert is tried, where it must fire and where it must not", () => {
  const { groups } = parse(readFileSync(join(RULES, "saf-alerts.yaml"), "utf8")) as {
    groups: { rules: { alert: string }[] }[];
  };
  const alerts = groups.flatMap(({ rules }) => rules.map(({ alert }) => alert));
  assert.deepEqual(Object.keys(ALERT_CASES).sort(), alerts.sort());
  for (const [alert, { fires, quiet }] of Object.entries(ALERT_CASES)) {
    assert.ok(Object.keys(fires).length > 0, alert);
    assert.ok(Object.keys(quiet).length > 0, alert);
  }
});

/** One group of promtool's unit tests: these series, and whether the alert fires at the end of them. */
function group(
  alert: string,
  name: string,
  { series, minutes, firing }: AlertCase & { firing: number },
): object {
  return {
    name: `${alert}: ${name}`,
    interval: "30s",
    input_series: series.map(([metric, values]) => ({ series: metric, values })),
    promql_expr_test: [
      {
        expr: `count by (alertname) (ALERTS{alertname="${alert}",alertstate="firing"})`,
        eval_time: `${minutes}m`,
        exp_samples: firing === 0 ? [] : [{ labels: `{alertname="${alert}"}`, value: firing }],
      },
    ],
  };
}

test("every alert fires where it should, and is quiet where it should", options, async (t) => {
  const tests = Object.entries(ALERT_CASES).flatMap(([alert, { fires, quiet }]) => [
    ...Object.entries(fires).map(([name, each]) => group(alert, name, { ...each, firing: each.firing ?? 1 })),
    ...Object.entries(quiet).map(([name, each]) => group(alert, name, { ...each, firing: 0 })),
  ]);
  const file = join(await temporaryDirectory(t), "tests.json");
  await writeFile(file, JSON.stringify({ rule_files: files, evaluation_interval: "30s", tests }));
  t.diagnostic(`${tests.length} cases`);
  promtool("test", "rules", file);
});
