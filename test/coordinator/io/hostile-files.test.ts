/** Files that claim or unpack to more than they should: refused by name, with bounded memory and nothing written. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import { create } from "tar";
import { readArchive } from "../../../coordinator/io/datasets/read-archive.js";
import { MNIST_FILES, loadMnist, mnistDirectory } from "../../../coordinator/io/datasets/mnist.js";
import { readForeignWeights } from "../../../coordinator/io/foreign-weights.js";
import { configSchema } from "../../../shared/config/run.js";
import { ClusterError } from "../../../shared/errors.js";
import { layoutOf } from "../../../shared/networks/network.js";
import { resolveRun } from "../../../shared/resolve.js";

const MIB = 1024 * 1024;

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "saf-hostile-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function refused(promise: Promise<unknown>, words: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof ClusterError, String(error));
    assert.equal(error.exitCode, 3, error.message);
    assert.match(error.message, words);
    return true;
  });
}

test("a gzip file of the data set that unpacks to far more than it should is refused", async (t) => {
  const directory = await folder(t);
  const { directory: real } = mnistDirectory(undefined, {});
  const [first = "", ...others] = MNIST_FILES;
  for (const name of others) await symlink(join(real, name), join(directory, name));
  await writeFile(join(directory, `${first}.gz`), gzipSync(Buffer.alloc(80 * MIB)));
  await refused(loadMnist(directory), new RegExp(`Cannot read data file .*${first}\\.gz`));
});

test("an archive that unpacks to far more than its files is refused, and its other members go nowhere", async (t) => {
  const directory = await folder(t);
  await mkdir(join(directory, "in"));
  await writeFile(join(directory, "in", "wanted.bin"), Buffer.alloc(10));
  await writeFile(join(directory, "in", "bomb.bin"), "");
  await truncate(join(directory, "in", "bomb.bin"), 40 * MIB);
  const archive = join(directory, "a.tar.gz");
  const make = (...files: string[]): Promise<void> =>
    create({ file: archive, gzip: true, cwd: join(directory, "in"), prefix: "../../out" }, files);
  const read = (): ReturnType<typeof readArchive> => readArchive(archive, new Map([["wanted.bin", 10]]), []);

  await make("wanted.bin");
  assert.equal((await read()).files.get("wanted.bin")?.byteLength, 10);
  await make("bomb.bin", "wanted.bin");
  await refused(read(), /a\.tar\.gz .*unpacks to more than/);
  assert.deepEqual((await readdir(directory)).sort(), ["a.tar.gz", "in"]);
});

test("a link in an archive is not followed", async (t) => {
  const directory = await folder(t);
  await symlink("/etc/hostname", join(directory, "wanted.bin"));
  const archive = join(directory, "a.tar.gz");
  await create({ file: archive, gzip: true, cwd: directory }, ["wanted.bin"]);
  await refused(readArchive(archive, new Map([["wanted.bin", 10]]), []), /wanted\.bin in it is not whole/);
});

test("a weights file larger than the network could need is refused before it is read", async (t) => {
  const directory = await folder(t);
  const file = join(directory, "model.safetensors");
  const { network } = resolveRun(configSchema.parse({ model: "plain" }));
  const layout = layoutOf(network);
  await writeFile(file, "");
  // Sparse: it takes no room on the disk.
  await truncate(file, 4 * 2 ** 30);
  const before = process.memoryUsage.rss();
  await refused(
    readForeignWeights(file, "plain", layout),
    /has 4294967296 bytes, the weights of "plain" at most/,
  );
  assert.ok(process.memoryUsage.rss() - before < 200 * MIB);
});

test("a weights file whose header claims more than the file has is refused", async (t) => {
  const file = join(await folder(t), "model.safetensors");
  const { network } = resolveRun(configSchema.parse({ model: "plain" }));
  for (const claimed of [2n ** 63n, 2n ** 40n, 100n]) {
    const bytes = Buffer.alloc(64);
    bytes.writeBigUInt64LE(claimed);
    await writeFile(file, bytes);
    await refused(readForeignWeights(file, "plain", layoutOf(network)), /header claims/);
  }
});
