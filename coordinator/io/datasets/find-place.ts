/** Where a data set is that does not come with the packages: the setting, the environment, the cache, in this order. */
import { stat } from "node:fs/promises";
import { ClusterError } from "../../../shared/errors.js";
import type { DataPlace } from "./data-source.js";

export interface Candidate {
  place: string;
  /** A file that must be there. */
  needs: string;
}

/**
 * The first place that holds the data set. `candidatesIn` says what a folder (or a file) could be. A place that the user
 * named in the settings is the only one looked at. `fetchCommand` is for the hint. Throws ClusterError("data") with what was looked for.
 */
export async function firstThatHolds(
  name: string,
  explicit: string | undefined,
  env: NodeJS.ProcessEnv,
  cache: string,
  candidatesIn: (path: string) => Candidate[],
  fetchCommand: string,
): Promise<DataPlace> {
  const named = placesNamed(explicit, env["SAF_DATA_DIR"], cache);
  for (const { path, from } of named) {
    for (const { place, needs } of candidatesIn(path)) {
      if ((await stat(needs).catch(() => undefined))?.isFile() === true) return { path: place, from };
    }
  }
  const [first] = named;
  const looked = named.map(({ path, from }) => `${path} (${from})`).join(", ");
  throw new ClusterError("data", `The data set ${name} is not in ${looked}`, {
    hint: `run ${fetchCommand}, or give its place by --data-dir, data.dir or SAF_DATA_DIR; looked for ${candidatesIn(
      first.path,
    )
      .map(({ needs }) => needs)
      .join(", ")}`,
  });
}

function placesNamed(
  explicit: string | undefined,
  variable: string | undefined,
  cache: string,
): [DataPlace, ...DataPlace[]] {
  if (explicit !== undefined) return [{ path: explicit, from: "data.dir" }];
  const cached = { path: cache, from: "the cache" };
  return variable ? [{ path: variable, from: "SAF_DATA_DIR" }, cached] : [cached];
}
