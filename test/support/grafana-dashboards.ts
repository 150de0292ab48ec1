/** The committed dashboards, as a test reads them. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../docs/tables.js";

export interface GrafanaPanel {
  id: number;
  type: string;
  title?: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: { type: string; uid: string };
  targets?: { expr: string; instant?: boolean; legendFormat?: string; datasource?: { uid: string } }[];
  fieldConfig?: { defaults?: { unit?: string } };
  options?: { legend?: { showLegend?: boolean; show?: boolean } };
  panels?: GrafanaPanel[];
}

export interface GrafanaDashboard {
  uid: string;
  title: string;
  refresh: string;
  panels: GrafanaPanel[];
  links: { type: string; tags: string[]; includeVars: boolean }[];
  templating: { list: { name: string; type: string; query?: string | { query: string } }[] };
  annotations: { list: { name: string; expr?: string }[] };
}

export const DASHBOARDS = join(ROOT, "deploy/monitoring/grafana/dashboards");

export function dashboards(): { file: string; dashboard: GrafanaDashboard }[] {
  return readdirSync(DASHBOARDS)
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => ({
      file,
      dashboard: JSON.parse(readFileSync(join(DASHBOARDS, file), "utf8")) as GrafanaDashboard,
    }));
}

/** Every query of every panel, with where it stands. */
export function panelQueries(): { panel: string; expr: string }[] {
  return dashboards().flatMap(({ dashboard }) =>
    dashboard.panels.flatMap((panel) =>
      (panel.targets ?? []).map(({ expr }) => ({ panel: `${dashboard.title} / ${panel.title}`, expr })),
    ),
  );
}

/** As Grafana would send it, with "all" chosen everywhere. */
export function substituted(expr: string, interval: string, range: string): string {
  return expr
    .replaceAll("$__rate_interval", interval)
    .replaceAll("$__interval", interval)
    .replaceAll("$__range", range)
    .replaceAll(/\$(namespace|run|sweep)\b/g, ".*");
}
