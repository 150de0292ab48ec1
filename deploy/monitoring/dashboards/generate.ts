/** All dashboards, as files. */
import { evaluation } from "./evaluation.js";
import { overview } from "./overview.js";
import { build } from "./parts.js";
import { sweep } from "./sweep.js";
import { trainingRun } from "./training-run.js";
import { workers } from "./workers.js";

export interface DashboardFile {
  /** Name in deploy/monitoring/grafana/dashboards. */
  file: string;
  text: string;
}

export function generate(): DashboardFile[] {
  return [overview, trainingRun, workers, evaluation, sweep].map((spec) => ({
    file: `${spec.uid}.json`,
    text: `${JSON.stringify(build(spec), null, 2)}\n`,
  }));
}
