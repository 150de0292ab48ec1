/** The images that a run was trained on, as an export needs them. */
import { loadDataset } from "../../coordinator/io/datasets/data-sets.js";
import { PartitionedDataset } from "../../coordinator/io/datasets/dataset.js";
import type { RunImages } from "../../coordinator/results/export/run-source.js";
import { isIdentityOf } from "../../coordinator/runs/identity.js";
import type { Config } from "../../shared/config/run.js";

/** `dataDir`: folder of the data files; the run's own setting where it is not given. Throws ClusterError("data"). */
export async function findRunImages(config: Config, dataDir: string | undefined): Promise<RunImages> {
  const { set, dir } = config.data;
  const images = new PartitionedDataset(await loadDataset(set, dataDir ?? dir, process.env));
  return {
    isIdentity: (stored) => isIdentityOf(stored, config, images.sha256),
    mean: images.meanImage,
    labels: images.dataset.test.labels,
  };
}
