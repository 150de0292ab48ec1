/** Fashion-MNIST (Xiao, Rasul, Vollgraf 2017, arXiv:1708.07747) from its four gzipped IDX files. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { ClusterError } from "../../../shared/errors.js";
import { defaultCacheDir } from "../../../shared/io/cache-directory.js";
import type { DataSource } from "./data-source.js";
import { type PublishedFile, fetchFile } from "./fetch-file.js";
import { firstThatHolds } from "./find-place.js";
import { IDX_FILES, type IdxFile, loadIdxDataset } from "./idx-dataset.js";

const NAME = "fashion-mnist";
const FETCH = "npx saf data fetch fashion-mnist";
const ADDRESS = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com";

/** Published size and SHA-256 of the gzipped files. */
const FILES: Record<IdxFile, Omit<PublishedFile, "url">> = {
  "train-images-idx3-ubyte": {
    bytes: 26_421_880,
    sha256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
  },
  "train-labels-idx1-ubyte": {
    bytes: 29_515,
    sha256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
  },
  "t10k-images-idx3-ubyte": {
    bytes: 4_422_102,
    sha256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
  },
  "t10k-labels-idx1-ubyte": {
    bytes: 5148,
    sha256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
  },
};

const cacheOf = (env: NodeJS.ProcessEnv): string => join(defaultCacheDir(env), "datasets", NAME);
const fileOf = (directory: string, name: IdxFile): string => join(directory, `${name}.gz`);
const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

async function read(path: string): Promise<Buffer> {
  return readFile(path).catch((cause: unknown) => {
    throw new ClusterError("data", `Data file ${path} is missing or cannot be read`, {
      hint: `run ${FETCH}, or give the folder with the four gzipped files`,
      cause,
    });
  });
}

/** MNIST's files have the same names, so a folder of this name goes first. */
export const fashionMnist: DataSource = {
  name: NAME,
  locate: (explicit, env) =>
    firstThatHolds(
      NAME,
      explicit,
      env,
      cacheOf(env),
      (path) => [
        { place: join(path, NAME), needs: fileOf(join(path, NAME), IDX_FILES[0]) },
        { place: path, needs: fileOf(path, IDX_FILES[0]) },
      ],
      FETCH,
    ),
  load: ({ path: directory }) =>
    loadIdxDataset(NAME, async (name) => {
      const path = fileOf(directory, name);
      const bytes = await read(path);
      const found = sha256Of(bytes);
      const { sha256 } = FILES[name];
      if (found !== sha256)
        throw new ClusterError(
          "data",
          `Data file ${path} is corrupt: expected SHA-256 ${sha256}, found ${found}`,
        );
      return { path, bytes: gunzipSync(bytes) };
    }),
  verify: ({ path: directory }) =>
    Promise.all(
      IDX_FILES.map(async (name) => {
        const file = fileOf(directory, name);
        const bytes = await read(file);
        const sha256 = sha256Of(bytes);
        const expected = FILES[name].sha256;
        return { file, bytes: bytes.byteLength, sha256, expected, ok: sha256 === expected };
      }),
    ),
  async fetch(env, progress) {
    const path = cacheOf(env);
    for (const name of IDX_FILES) {
      await fetchFile({ url: `${ADDRESS}/${name}.gz`, ...FILES[name] }, fileOf(path, name), progress);
    }
    return { path, from: "the cache" };
  },
};
