/** Writes what k8s/components/monitoring takes from deploy/monitoring: node dist/deploy/monitoring/write-kubernetes.js */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { kubernetesMonitoringFiles } from "./kubernetes.js";
import { makeFolderSync } from "../../shared/io/folders.js";

/** Compiled to dist/deploy/monitoring/: the repository is three folders up. */
const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");

for (const [path, text] of kubernetesMonitoringFiles(root)) {
  makeFolderSync(dirname(join(root, path)));
  writeFileSync(join(root, path), text);
}
