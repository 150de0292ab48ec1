/**
 * CIFAR-10 (Krizhevsky 2009) in its binary format: six files of 10,000 records, a record being a label byte and 1,024
 * bytes each of red, green and blue. Read from the archive as it was published, or from a folder where it was unpacked.
 */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { at } from "../../../shared/core/at.js";
import { ClusterError } from "../../../shared/errors.js";
import { defaultCacheDir } from "../../../shared/io/cache-directory.js";
import type { DataPlace, DataSource, FileReport } from "./data-source.js";
import type { Dataset, Split } from "./dataset.js";
import { fetchFile } from "./fetch-file.js";
import { type Candidate, firstThatHolds } from "./find-place.js";
import { readArchive } from "./read-archive.js";

const NAME = "cifar10";
export const CIFAR10_ARCHIVE = "cifar-10-binary.tar.gz";
const FOLDER = "cifar-10-batches-bin";
/** The authors' own page gives this archive's MD5 (c32a1d4ab5d03f1284b67883e8d87530); this is the SHA-256 of the same file. */
export const CIFAR10_PUBLISHED = {
  url: `https://www.cs.toronto.edu/~kriz/${CIFAR10_ARCHIVE}`,
  bytes: 170_052_171,
  sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
};

const TRAIN_FILES = [1, 2, 3, 4, 5].map((number) => `data_batch_${number}.bin`);
const TEST_FILE = "test_batch.bin";
export const CIFAR10_FILES = [...TRAIN_FILES, TEST_FILE];
/** Says which records of a restored archive are not the original bytes, one a line; lines with # explain. */
const RESTORED = "JPEG_RESTORED_RECORDS.tsv";

const SIDE = 32;
const PLANE = SIDE * SIDE;
const CHANNELS = 3;
const RECORD_BYTES = 1 + CHANNELS * PLANE;
const FILE_RECORDS = 10_000;
export const CIFAR10_FILE_BYTES = FILE_RECORDS * RECORD_BYTES;

interface Contents {
  /** By name: the six files, and the list of restored records where there is one. */
  files: Map<string, Uint8Array>;
  /** Of the archive; of a folder, there is no published checksum. */
  archive: { sha256: string; bytes: number } | undefined;
}

const isArchive = (path: string): boolean => path.endsWith(".tar.gz") || path.endsWith(".tgz");
const cacheOf = (env: NodeJS.ProcessEnv): string => join(defaultCacheDir(env), "datasets", NAME);

/** An archive that is not the published one is used only where the user named the file itself. */
const NAMED_FILE = ", named by its path";

async function locate(explicit: string | undefined, env: NodeJS.ProcessEnv): Promise<DataPlace> {
  const candidatesIn = (path: string): Candidate[] =>
    isArchive(path)
      ? [{ place: path, needs: path }]
      : [
          { place: join(path, CIFAR10_ARCHIVE), needs: join(path, CIFAR10_ARCHIVE) },
          { place: join(path, FOLDER), needs: join(path, FOLDER, TEST_FILE) },
          { place: path, needs: join(path, TEST_FILE) },
        ];
  const fetchCommand = "npx saf data fetch cifar10";
  const place = await firstThatHolds(NAME, explicit, env, cacheOf(env), candidatesIn, fetchCommand);
  const isNamed = place.path === explicit || place.path === env["SAF_DATA_DIR"];
  return isArchive(place.path) && isNamed ? { ...place, from: `${place.from}${NAMED_FILE}` } : place;
}

/** One of the six, which are there once the set is read. */
function fileIn(files: Contents["files"], name: string): Uint8Array {
  const bytes = files.get(name);
  if (bytes === undefined) throw new RangeError(`${name} was not read`);
  return bytes;
}

async function contentsOf({ path }: DataPlace): Promise<Contents> {
  if (isArchive(path)) {
    const sizes = new Map(CIFAR10_FILES.map((file) => [file, CIFAR10_FILE_BYTES]));
    const { files, sha256, bytes } = await readArchive(path, sizes, [RESTORED]);
    return { files, archive: { sha256, bytes } };
  }
  const files = new Map<string, Uint8Array>();
  for (const file of CIFAR10_FILES) files.set(file, await readBatch(join(path, file)));
  const restored = await readFile(join(path, RESTORED)).catch(() => undefined);
  if (restored !== undefined) files.set(RESTORED, restored);
  return { files, archive: undefined };
}

async function readBatch(path: string): Promise<Uint8Array> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) {
    throw new ClusterError("data", `Data file ${path} is missing`, {
      hint: `a folder of CIFAR-10 has ${CIFAR10_FILES.join(", ")}`,
    });
  }
  if (found.size !== CIFAR10_FILE_BYTES) {
    throw new ClusterError(
      "data",
      `Data file ${path} is not whole: expected ${CIFAR10_FILE_BYTES} bytes, found ${found.size}`,
    );
  }
  return readFile(path);
}

async function load(place: DataPlace): Promise<Dataset> {
  const { files, archive } = await contentsOf(place);
  if (
    archive !== undefined &&
    archive.sha256 !== CIFAR10_PUBLISHED.sha256 &&
    !place.from.endsWith(NAMED_FILE)
  ) {
    throw new ClusterError(
      "data",
      `Data file ${place.path} is not the published archive: expected SHA-256 ${CIFAR10_PUBLISHED.sha256}, found ${archive.sha256}`,
      { hint: "to use it all the same, give the path of the file itself as data.dir or --data-dir" },
    );
  }
  const split = (names: string[]): Split =>
    splitOf(names.map((name) => ({ name, bytes: fileIn(files, name) })));
  return {
    name: NAME,
    height: SIDE,
    width: SIDE,
    channels: CHANNELS,
    classes: 10,
    train: split(TRAIN_FILES),
    test: split([TEST_FILE]),
  };
}

/** Records to labels and pixels, channels last. Throws ClusterError("data") for a label that is none. */
export function splitOf(batches: readonly { name: string; bytes: Uint8Array }[]): Split {
  const records = batches.reduce((sum, { bytes }) => sum + bytes.byteLength / RECORD_BYTES, 0);
  const labels = new Uint8Array(records);
  const pixels = new Uint8Array(records * CHANNELS * PLANE);
  let record = 0;
  for (const { name, bytes } of batches) {
    for (let start = 0; start < bytes.byteLength; start += RECORD_BYTES, record++) {
      const label = at(bytes, start);
      if (label > 9)
        throw new ClusterError(
          "data",
          `Record ${start / RECORD_BYTES} of ${name} has label ${label}, expected 0 to 9`,
        );
      labels[record] = label;
      const out = record * CHANNELS * PLANE;
      for (let channel = 0; channel < CHANNELS; channel++) {
        const plane = start + 1 + channel * PLANE;
        for (let p = 0; p < PLANE; p++) pixels[out + CHANNELS * p + channel] = bytes[plane + p] ?? NaN;
      }
    }
  }
  return { pixels, labels };
}

async function verify(place: DataPlace): Promise<FileReport[]> {
  const { files, archive } = await contentsOf(place);
  const restored = restoredNote(files.get(RESTORED));
  if (archive === undefined) {
    return CIFAR10_FILES.map((name) => {
      const bytes = fileIn(files, name);
      const note = ["no checksum is published for unpacked files; its size is right", ...restored];
      return {
        file: join(place.path, name),
        bytes: bytes.byteLength,
        sha256: createHash("sha256").update(bytes).digest("hex"),
        expected: null,
        ok: true,
        note: note.join("; "),
      };
    });
  }
  const expected = CIFAR10_PUBLISHED.sha256;
  const report: FileReport = { file: place.path, ...archive, expected, ok: archive.sha256 === expected };
  if (report.ok || !place.from.endsWith(NAMED_FILE)) return [report];
  // The user vouches for it by naming it; what is known about it is said.
  const note = [
    `not the published archive (SHA-256 ${archive.sha256}, published ${expected}), but whole`,
    ...restored,
  ];
  return [{ ...report, ok: true, note: note.join("; ") }];
}

function restoredNote(list: Uint8Array | undefined): string[] {
  if (list === undefined) return [];
  const lines = Buffer.from(list).toString("utf8").split("\n");
  const records = lines.filter((line) => line.trim() !== "" && !line.startsWith("#")).length;
  return [`${records} of 60000 records are approximate: ${RESTORED} in it lists them`];
}

export const cifar10: DataSource = {
  name: NAME,
  locate,
  load,
  verify,
  async fetch(env, progress) {
    const path = join(cacheOf(env), basename(CIFAR10_PUBLISHED.url));
    await fetchFile(CIFAR10_PUBLISHED, path, progress);
    return { path, from: "the cache" };
  },
};
