/** Writes what k8s/components/monitoring takes from deploy/monitoring: node dist/deploy/monitoring/write-kubernetes.js */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { kubernetesMonitoringFiles } from "./kubernetes.js";

/** Compiled to dist/deploy/monitoring/: the repository is three folders up. */
const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");

for (const [path, text] of kubernetesMonitoringFiles(root)) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
