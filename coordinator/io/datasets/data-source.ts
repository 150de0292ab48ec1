/** What every data set can do: be found, read, verified, fetched. One file each, listed in data-sets.ts. */
import type { Dataset } from "./dataset.js";

/** Where a data set is, and who said so. */
export interface DataPlace {
  /** A folder, or an archive. */
  path: string;
  /** "data.dir", "SAF_DATA_DIR", … */
  from: string;
}

export interface FileReport {
  file: string;
  bytes: number;
  sha256: string;
  /** The published checksum; null where none is. */
  expected: string | null;
  ok: boolean;
  /** What a reader should know about a file that is used though it is not the published one. */
  note?: string;
}

export interface DataSource {
  name: string;
  /** `explicit`: the setting data.dir. Throws ClusterError("data") where it is not found. */
  locate(explicit: string | undefined, env: NodeJS.ProcessEnv): Promise<DataPlace>;
  /** Throws ClusterError("data") naming the file, what was expected and what was found. */
  load(place: DataPlace): Promise<Dataset>;
  /** Reads all of it, without failing on a wrong checksum. */
  verify(place: DataPlace): Promise<FileReport[]>;
  /** Brings it into the cache, if it is not there; checksums verified. Throws ClusterError("data"). */
  fetch(env: NodeJS.ProcessEnv, progress: (line: string) => void): Promise<DataPlace>;
}
