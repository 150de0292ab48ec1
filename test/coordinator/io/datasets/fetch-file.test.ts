import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { DATA_SETS, dataSourceNamed } from "../../../../coordinator/io/datasets/data-sets.js";
import { fashionMnist } from "../../../../coordinator/io/datasets/fashion-mnist.js";
import { fetchFile } from "../../../../coordinator/io/datasets/fetch-file.js";
import { configSchema } from "../../../../shared/config/run.js";
import { ClusterError } from "../../../../shared/errors.js";

const BODY = Buffer.from("a data set of very few bytes");
const sha256 = createHash("sha256").update(BODY).digest("hex");

async function served(t: TestContext): Promise<{ url: string; home: string; requests: () => number }> {
  let requests = 0;
  const server = createServer((request, response) => {
    requests++;
    if (request.url === "/gone") response.writeHead(404).end();
    else response.end(BODY);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const home = await mkdtemp(join(tmpdir(), "saf-fetch-"));
  t.after(async () => {
    server.close();
    await rm(home, { recursive: true, force: true });
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    home,
    requests: () => requests,
  };
}

test("a file that is the published one is kept, once", async (t) => {
  const { url, home, requests } = await served(t);
  const path = join(home, "deep", "file.bin");
  const said: string[] = [];
  const file = { url: `${url}/file.bin`, sha256, bytes: BODY.length };
  await fetchFile(file, path, (line) => said.push(line));
  assert.deepEqual(await readFile(path), BODY);
  assert.ok(said[0]?.includes(file.url));
  await fetchFile(file, path, () => undefined);
  assert.equal(requests(), 1);
});

test("what is another file, too large, or not there is refused, and nothing is left", async (t) => {
  const { url, home } = await served(t);
  const gone = createServer();
  await new Promise<void>((resolve) => gone.listen(0, "127.0.0.1", resolve));
  const nobody = `http://127.0.0.1:${(gone.address() as AddressInfo).port}/file.bin`;
  await new Promise((resolve) => gone.close(resolve));
  const cases: [string, { url: string; sha256: string; bytes: number }][] = [
    [
      `expected SHA-256 ${"0".repeat(64)}, found ${sha256}`,
      { url: `${url}/file.bin`, sha256: "0".repeat(64), bytes: BODY.length },
    ],
    ["larger than the 5 bytes", { url: `${url}/file.bin`, sha256, bytes: 5 }],
    ["answered 404", { url: `${url}/gone`, sha256, bytes: BODY.length }],
    ["ECONNREFUSED", { url: nobody, sha256, bytes: BODY.length }],
  ];
  for (const [expected, file] of cases) {
    await assert.rejects(
      fetchFile(file, join(home, "file.bin"), () => undefined),
      (error) =>
        error instanceof ClusterError &&
        error.code === "data" &&
        error.message.includes(expected) &&
        error.message.includes(file.url),
      expected,
    );
    assert.deepEqual(await readdir(home), []);
  }
});

test("Fashion-MNIST is looked for in a folder of its name first, and MNIST's own files are not taken for it", async (t) => {
  const { home } = await served(t);
  await assert.rejects(fashionMnist.locate(home, {}), /fashion-mnist is not in/);
});

test("every data set that a configuration may name can be found, and no other", () => {
  const named = DATA_SETS.map(({ name }) => name);
  for (const set of named) assert.equal(configSchema.parse({ data: { set } }).data.set, set);
  assert.deepEqual(configSchema.shape.data.unwrap().shape.set.unwrap().options, named);
  assert.throws(() => dataSourceNamed("imagenet"), /mnist, fashion-mnist, cifar10/);
});
