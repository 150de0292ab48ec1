/** Every data set by name. A new one is a file beside this one and an entry here. */
import { ClusterError } from "../../../shared/errors.js";
import { cifar10 } from "./cifar10.js";
import type { DataSource } from "./data-source.js";
import type { Dataset } from "./dataset.js";
import { fashionMnist } from "./fashion-mnist.js";
import { mnist } from "./mnist.js";

export const DATA_SETS: readonly DataSource[] = [mnist, fashionMnist, cifar10];

/** Throws ClusterError("config") with the list. */
export function dataSourceNamed(name: string): DataSource {
  const source = DATA_SETS.find((candidate) => candidate.name === name);
  if (source !== undefined) return source;
  const names = DATA_SETS.map((candidate) => candidate.name);
  throw new ClusterError("config", `Unknown data set "${name}": expected one of ${names.join(", ")}`);
}

/**
 * Finds and reads a data set. `explicit`: the setting data.dir. Throws ClusterError("data") naming the file, what was
 * expected and what was found, with a hint what to do.
 */
export async function loadDataset(
  name: string,
  explicit: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<Dataset> {
  const source = dataSourceNamed(name);
  const place = await source.locate(explicit, env);
  try {
    return await source.load(place);
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code !== "data" || error.hint !== undefined) throw error;
    const hint = [
      `to look at every file: npx saf data verify ${name} --data-dir ${place.path}`,
      `to have a whole copy: npx saf data fetch ${name}`,
    ].join("\n");
    throw new ClusterError("data", error.message, { cause: error, hint });
  }
}
