import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { DataShelf } from "../../../coordinator/io/data-shelf.js";
import { loadDataset } from "../../../coordinator/io/datasets/data-sets.js";
import { type Dataset, PartitionedDataset } from "../../../coordinator/io/datasets/dataset.js";
import { checkAside, loadAside } from "../../../coordinator/io/datasets/load-aside.js";
import { ClusterError } from "../../../shared/errors.js";
import { wire } from "../../../shared/messages.js";
import { temporaryDirectory } from "../../support/cluster.js";

const IMAGE = 6; // 2 x 3 x 1

function datasetOf(name: string, shade: number): Dataset {
  const split = (count: number): Dataset["train"] => ({
    pixels: Uint8Array.from({ length: count * IMAGE }, (_, i) => (shade + i * 37) & 255),
    labels: Uint8Array.from({ length: count }, (_, i) => i % 10),
  });
  return { name, height: 2, width: 3, channels: 1, classes: 10, train: split(10), test: split(5) };
}

const firstPart = (dataset: PartitionedDataset): string => dataset.manifest().train?.[0]?.sha256 ?? "";

function request(sha256: string, offset: number, length: number): ReturnType<typeof wire.DataRequest.decode> {
  return wire.DataRequest.decode(wire.DataRequest.encode({ sha256, offset, length }).finish());
}

function bodyOf(shelf: DataShelf, sha256: string, offset: number, length: number): Uint8Array {
  const { body, error } = shelf.range(request(sha256, offset, length));
  assert.equal(error, undefined);
  return body as Uint8Array;
}

/** A shelf of invented data sets, and how often each was read. */
function inventedShelf(): { shelf: DataShelf; reads: string[] } {
  const reads: string[] = [];
  const shelf = new DataShelf([], ({ set }) => {
    reads.push(set);
    if (set === "none") return Promise.reject(new ClusterError("data", "not there"));
    return Promise.resolve(new PartitionedDataset(datasetOf(set, set.length)));
  });
  return { shelf, reads };
}

test("a data set is read when the first run asks for it, once for all of them, and others stay beside it", async () => {
  const { shelf, reads } = inventedShelf();
  assert.deepEqual(reads, []);
  const [one, again] = await Promise.all([shelf.dataset({ set: "one" }), shelf.dataset({ set: "one" })]);
  assert.equal(one, again);
  const three = await shelf.dataset({ set: "three" });
  assert.deepEqual(reads, ["one", "three"]);
  for (const dataset of [one, three]) {
    const sha256 = firstPart(dataset);
    assert.equal(
      createHash("sha256")
        .update(bodyOf(shelf, sha256, 0, 70))
        .digest("hex"),
      sha256,
    );
  }
});

test("a data set that could not be read is read again for the next run that asks", async () => {
  const { shelf, reads } = inventedShelf();
  await assert.rejects(shelf.dataset({ set: "none" }), /not there/);
  await assert.rejects(shelf.dataset({ set: "none" }), /not there/);
  assert.deepEqual(reads, ["none", "none"]);
});

test("a range is the bytes asked for, as far as there are any, of a part or of what was put there by hand", async () => {
  const { shelf } = inventedShelf();
  const sha256 = firstPart(await shelf.dataset({ set: "one" }));
  const all = bodyOf(shelf, sha256, 0, 70);
  assert.equal(all.length, 70);
  assert.deepEqual(bodyOf(shelf, sha256, 5, 20), all.subarray(5, 25));
  assert.deepEqual(bodyOf(shelf, sha256, 60, 1_048_576), all.subarray(60));
  for (const offset of [70, 71, 0xffffffff]) assert.equal(bodyOf(shelf, sha256, offset, 10).length, 0);
  const held = shelf.hold(Uint8Array.of(1, 2, 3), "run-a");
  assert.deepEqual(bodyOf(shelf, held, 1, 10), Uint8Array.of(2, 3));
});

test("what was put there by hand is served until the last who holds it lets go", () => {
  const { shelf } = inventedShelf();
  const bytes = Uint8Array.of(1, 2, 3);
  const sha256 = shelf.hold(bytes, "run-a");
  assert.equal(shelf.hold(Uint8Array.of(1, 2, 3), "run-b"), sha256);
  shelf.letGo("run-a");
  assert.deepEqual(bodyOf(shelf, sha256, 0, 10), bytes);
  shelf.letGo("run-b");
  assert.match(shelf.range(request(sha256, 0, 10)).error?.message ?? "", /^no part/);
});

test("an unknown part and a request for more than a mebibyte are answered by an error", async () => {
  const { shelf } = inventedShelf();
  const sha256 = firstPart(await shelf.dataset({ set: "one" }));
  assert.match(shelf.range(request("0".repeat(100_000), 0, 1)).error?.message ?? "", /^no part 0{64} here$/);
  assert.match(shelf.range(request(sha256, 0, 1_048_577)).error?.message ?? "", /1 MiB/);
});

test("what a thread of its own reads is what this one would have read", async () => {
  const aside = await loadAside({ set: "mnist" }, process.env);
  const here = new PartitionedDataset(await loadDataset("mnist", undefined, process.env));
  assert.deepEqual(aside.manifest(), here.manifest());
  assert.equal(aside.sha256, here.sha256);
  for (const split of ["train", "test"] as const) {
    assert.equal(Buffer.compare(aside.dataset[split].pixels, here.dataset[split].pixels), 0);
    assert.equal(Buffer.compare(aside.dataset[split].labels, here.dataset[split].labels), 0);
  }
});

test("what is wrong with the files comes out of the thread with code and message", async (t) => {
  const folder = await temporaryDirectory(t);
  for (const read of [loadAside, checkAside]) {
    await assert.rejects(
      read({ set: "mnist", dir: folder }, process.env),
      (error: unknown) => error instanceof ClusterError && error.code === "data" && error.hint !== undefined,
    );
  }
  await writeFile(join(folder, "train-images-idx3-ubyte"), "cut");
  await assert.rejects(
    checkAside({ set: "mnist", dir: folder }, process.env),
    /train-.* is corrupt|is missing/,
  );
});
