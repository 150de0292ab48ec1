/**
 * What k8s/components/monitoring takes from this folder. kustomize reads no file outside of its own folder, so dashboards
 * are copied there and rules become an object; a test holds the copies to their sources.
 */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { z } from "zod";

const rulesFile = z.object({ groups: z.array(z.unknown()) });
const TARGET = "k8s/components/monitoring";

/** Path below `root` to content. */
export function kubernetesMonitoringFiles(root: string): Map<string, string> {
  const dashboards = join(root, "deploy/monitoring/grafana/dashboards");
  const files = new Map(
    readdirSync(dashboards)
      .filter((name) => name.endsWith(".json"))
      .map((name) => [`${TARGET}/dashboards/${name}`, readFileSync(join(dashboards, name), "utf8")]),
  );
  const rules = join(root, "deploy/monitoring/rules");
  const groups = readdirSync(rules)
    .filter((name) => name.endsWith(".yaml"))
    .sort()
    .flatMap((name) => rulesFile.parse(parse(readFileSync(join(rules, name), "utf8"))).groups);
  const rule = {
    ...{ apiVersion: "monitoring.coreos.com/v1", kind: "PrometheusRule" },
    metadata: { name: "saf", namespace: "saf", labels: { "app.kubernetes.io/part-of": "saf" } },
    spec: { groups },
  };
  const note = "# Made from deploy/monitoring/rules by deploy/monitoring/write-kubernetes.ts.\n";
  return files.set(`${TARGET}/rules.yaml`, note + stringify(rule, { lineWidth: 0 }));
}
