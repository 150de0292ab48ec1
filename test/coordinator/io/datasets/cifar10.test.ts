import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { link, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { create } from "tar";
import {
  CIFAR10_ARCHIVE,
  CIFAR10_FILES,
  CIFAR10_FILE_BYTES,
  CIFAR10_PUBLISHED,
  cifar10,
  splitOf,
} from "../../../../coordinator/io/datasets/cifar10.js";
import { PartitionedDataset } from "../../../../coordinator/io/datasets/dataset.js";
import { ClusterError } from "../../../../shared/errors.js";

/** Beside the repository; this file is compiled to dist/test/coordinator/io/datasets/. */
const REAL = join(
  dirname(fileURLToPath(import.meta.url)),
  "../../../../../../shared/data/cifar-10-binary.tar.gz",
);
const RECORD = 3073;

const home = await mkdtemp(join(tmpdir(), "saf-cifar-"));
after(() => rm(home, { recursive: true, force: true }));
/** Six files of the right size; record r of file f has label (r + f) % 10 and pixels of r and f. */
const folder = join(home, "cifar-10-batches-bin");
await mkdir(folder);
for (const [f, name] of CIFAR10_FILES.entries()) {
  const bytes = new Uint8Array(CIFAR10_FILE_BYTES);
  for (let r = 0; r < 10_000; r++) {
    bytes[r * RECORD] = (r + f) % 10;
    bytes[r * RECORD + 1] = r % 251;
    bytes[r * RECORD + RECORD - 1] = f;
  }
  await writeFile(join(folder, name), bytes);
}

async function archiveOf(directory: string, file: string): Promise<string> {
  await create(
    { gzip: { level: 1 }, file, cwd: directory, portable: true, follow: true },
    CIFAR10_FILES.map((name) => join("cifar-10-batches-bin", name)),
  );
  return file;
}
const archive = await archiveOf(home, join(home, "copy.tar.gz"));

async function temporary(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "saf-cifar-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

const loadFrom = async (explicit: string) => cifar10.load(await cifar10.locate(explicit, {}));

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => assert.fail("it was accepted"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ClusterError && error.code === "data" && error.exitCode === 3, String(error));
  return `${error.message}\n${error.hint ?? ""}`;
}

test("a record is a label and three planes; pixels come out channels last", () => {
  const bytes = new Uint8Array(2 * RECORD);
  bytes[0] = 3;
  bytes[RECORD] = 9;
  for (let i = 0; i < 3072; i++) bytes[1 + i] = Math.floor(i / 1024) * 80 + (i % 64);
  const { labels, pixels } = splitOf([{ name: "x.bin", bytes }]);
  assert.deepEqual([...labels], [3, 9]);
  assert.deepEqual([...pixels.subarray(0, 6)], [0, 80, 160, 1, 81, 161]);
  assert.deepEqual([...pixels.subarray(3069, 3075)], [63, 143, 223, 0, 0, 0]);
  bytes[RECORD] = 10;
  assert.throws(() => splitOf([{ name: "x.bin", bytes }]), /Record 1 of x\.bin has label 10/);
});

test("a folder and an archive of it hold the same data set, wherever they are named", async () => {
  const unpacked = await loadFrom(home);
  assert.deepEqual([unpacked.train.labels.length, unpacked.test.labels.length], [50_000, 10_000]);
  assert.deepEqual([unpacked.height, unpacked.width, unpacked.channels, unpacked.classes], [32, 32, 3, 10]);
  assert.equal(unpacked.train.labels[10_003], 4); // record 3 of the second file
  assert.equal(unpacked.train.pixels[10_003 * 3072], 3);
  assert.equal(unpacked.train.pixels[10_004 * 3072 - 1], 1);
  assert.equal(unpacked.test.pixels[3071], 5);
  const hash = new PartitionedDataset(unpacked).sha256;
  const env = { SAF_DATA_DIR: archive, SAF_CACHE_DIR: home };
  const packed = await cifar10.load(await cifar10.locate(undefined, env));
  assert.equal(new PartitionedDataset(packed).sha256, hash);
  const reports = await cifar10.verify(await cifar10.locate(folder, {}));
  assert.equal(reports.length, 6);
  assert.ok(
    reports.every(({ ok, expected, note }) => ok && expected === null && /no checksum/.test(note ?? "")),
  );
});

test("an archive that is not the published one is used only where it is named itself", async (t) => {
  const directory = await temporary(t);
  const path = join(directory, CIFAR10_ARCHIVE);
  await link(archive, path);
  const message = await refusal(loadFrom(directory));
  for (const part of [path, CIFAR10_PUBLISHED.sha256, "the path of the file itself"])
    assert.ok(message.includes(part), message);
  const [found] = await cifar10.verify(await cifar10.locate(directory, {}));
  assert.deepEqual([found?.file, found?.ok], [path, false]);
  const [named] = await cifar10.verify(await cifar10.locate(path, {}));
  assert.equal(named?.ok, true);
  assert.match(named?.note ?? "", /not the published archive/);
});

test("a file cut short is named, with its size and the one expected", async (t) => {
  const directory = await temporary(t);
  const short = join(directory, "cifar-10-batches-bin");
  await mkdir(short);
  for (const name of CIFAR10_FILES) await link(join(folder, name), join(short, name));
  const file = join(short, "data_batch_3.bin");
  await rm(file);
  assert.match(await refusal(loadFrom(short)), /data_batch_3\.bin is missing/);
  await writeFile(file, new Uint8Array(12_345));
  const message = await refusal(loadFrom(directory));
  assert.ok(message.includes(`${file} is not whole: expected 30730000 bytes, found 12345`), message);

  const ofShort = await archiveOf(directory, join(directory, "short.tar.gz"));
  assert.match(
    await refusal(loadFrom(ofShort)),
    /short\.tar\.gz of \d+ bytes: data_batch_3\.bin in it is not whole: expected 30730000 bytes, found 12345/,
  );
  const cut = join(directory, "cut.tar.gz");
  await writeFile(cut, (await readFile(archive)).subarray(0, 100_000));
  const words = await refusal(loadFrom(cut));
  assert.match(words, /of 100000 bytes: unexpected end of file; data_batch_\d\.bin in it is not whole/);
  assert.match(words, /expected 30730000 bytes, found \d+/);
  await writeFile(cut, "no archive at all");
  assert.match(await refusal(loadFrom(cut)), /cut\.tar\.gz of 17 bytes: incorrect header check/);
});

test("where it is not found, all places are named, and what to do", async (t) => {
  const empty = await temporary(t);
  const env = { SAF_DATA_DIR: join(empty, "data"), SAF_CACHE_DIR: join(empty, "cache") };
  const message = await refusal(cifar10.locate(undefined, env));
  for (const part of [env.SAF_DATA_DIR, env.SAF_CACHE_DIR, "saf data fetch cifar10", "--data-dir"])
    assert.ok(message.includes(part), message);
  const named = await refusal(cifar10.locate(join(empty, "mine"), env));
  assert.ok(named.includes(join(empty, "mine")) && !named.includes(env.SAF_CACHE_DIR), named);
});

test(
  "the archive beside the repository is the real CIFAR-10 but for 178 records, and says so",
  existsSync(REAL) ? {} : { skip: "there is no ../shared/data/cifar-10-binary.tar.gz" },
  async () => {
    const dataset = await loadFrom(REAL);
    // Facts that anybody can look up: classes are balanced, the first training images are frog, truck, truck, deer,
    // automobile, the first test images cat, ship, ship, airplane, frog.
    for (const { labels } of [dataset.train, dataset.test]) {
      const counts = new Array<number>(10).fill(0);
      for (const label of labels) counts[label] = (counts[label] as number) + 1;
      assert.deepEqual(counts, new Array(10).fill(labels.length / 10));
    }
    assert.deepEqual([...dataset.train.labels.subarray(0, 5)], [6, 9, 9, 4, 1]);
    assert.deepEqual([...dataset.test.labels.subarray(0, 5)], [3, 8, 8, 0, 6]);
    // The means of the channels that everybody normalises with: 0.4914, 0.4822, 0.4465.
    const { meanImage } = new PartitionedDataset(dataset);
    const expected = [0.4914, 0.4822, 0.4465];
    expected.forEach((value, channel) => {
      let sum = 0;
      for (let p = channel; p < meanImage.length; p += 3) sum += meanImage[p] as number;
      assert.ok(Math.abs(sum / 1024 / 255 - value) < 1e-4, `channel ${channel}: ${sum / 1024 / 255}`);
    });
    const [report] = await cifar10.verify(await cifar10.locate(REAL, {}));
    assert.match(report?.note ?? "", /not the published archive.*178 of 60000 records are approximate/);
  },
);
