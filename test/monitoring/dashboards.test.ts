import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { generate } from "../../deploy/monitoring/dashboards/generate.js";
import { DASHBOARDS, type GrafanaPanel, dashboards, panelQueries } from "../support/grafana-dashboards.js";

const all = dashboards();
const plotted = (panels: readonly GrafanaPanel[]): GrafanaPanel[] =>
  panels.filter(({ type }) => type !== "row");

test("the committed JSON is what the sources make", () => {
  const made = generate();
  assert.deepEqual(
    all.map(({ file }) => file),
    made.map(({ file }) => file).sort(),
  );
  for (const { file, text } of made)
    assert.ok(
      readFileSync(join(DASHBOARDS, file), "utf8") === text,
      `${file} is out of date: node deploy/bootstrap.mjs exec dist/deploy/monitoring/dashboards/write.js`,
    );
});

test("dashboards keep their addresses", () => {
  assert.deepEqual(
    all.map(({ file, dashboard }) => [file, dashboard.uid]),
    ["saf-evaluation", "saf-overview", "saf-sweep", "saf-training-run", "saf-workers"].map((uid) => [
      `${uid}.json`,
      uid,
    ]),
  );
});

for (const { dashboard } of all) {
  test(`${dashboard.title}: ids are unique, and no panel covers another or leaves the grid`, () => {
    const { panels } = dashboard;
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    for (const { title, gridPos } of panels) {
      assert.ok(gridPos.x >= 0 && gridPos.x + gridPos.w <= 24 && gridPos.h > 0, title);
    }
    panels.forEach((one, i) => {
      for (const other of panels.slice(i + 1)) {
        const [a, b] = [one.gridPos, other.gridPos];
        const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
        assert.ok(apart, `${one.title} and ${other.title}`);
      }
    });
  });

  test(`${dashboard.title}: every panel has a unit, a description, a legend and a query on the chosen source`, () => {
    for (const panel of plotted(dashboard.panels)) {
      const { title = "", description = "", type, targets = [] } = panel;
      assert.ok(description.length > 10 && description.endsWith("."), `${title}: description`);
      assert.ok((panel.fieldConfig?.defaults?.unit ?? "") !== "", `${title}: unit`);
      assert.ok(targets.length > 0, `${title}: queries`);
      for (const { uid } of [panel.datasource, ...targets.map(({ datasource }) => datasource)].map(
        (source) => source ?? { uid: "none" },
      ))
        assert.equal(uid, "${datasource}", title);
      for (const { legendFormat } of targets) assert.ok((legendFormat ?? "") !== "", `${title}: legend`);
      const { legend } = panel.options ?? {};
      if (type === "timeseries" || type === "xychart") assert.equal(legend?.showLegend, true, title);
      if (type === "heatmap") assert.equal(legend?.show, true, title);
    }
  });

  test(`${dashboard.title}: it can be filtered, is fresh, and leads to the others`, () => {
    assert.deepEqual(
      dashboard.templating.list.map(({ name, type }) => [name, type]),
      [
        ["datasource", "datasource"],
        ["namespace", "query"],
        [dashboard.uid === "saf-sweep" ? "sweep" : "run", "query"],
      ],
    );
    assert.equal(dashboard.refresh, "10s");
    assert.deepEqual(
      dashboard.links.map(({ type, tags, includeVars }) => ({ type, tags, includeVars })),
      [{ type: "dashboards", tags: ["saf"], includeVars: true }],
    );
  });
}

test("rates are taken over Grafana's own interval, never over a fixed one", () => {
  for (const { panel, expr } of panelQueries()) assert.doesNotMatch(expr, /\[\d/, panel);
});

test("panels keep to the chosen namespace", () => {
  for (const { panel, expr } of panelQueries())
    assert.ok(
      expr.includes('namespace=~"$namespace"') || expr.startsWith("count(ALERTS"),
      `${panel}: ${expr}`,
    );
});
