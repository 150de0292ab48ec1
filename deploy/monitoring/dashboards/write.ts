/**
 * Writes the dashboards as the JSON that Grafana loads. After a change of these files:
 * node deploy/bootstrap.mjs exec dist/deploy/monitoring/dashboards/write.js
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { generate } from "./generate.js";

/** Compiled to dist/deploy/monitoring/dashboards/: the repository is four folders up. */
const target = new URL("../../../../deploy/monitoring/grafana/dashboards/", import.meta.url);

for (const { file, text } of generate()) writeFileSync(fileURLToPath(new URL(file, target)), text);
