/** What `saf up`, `saf join` and `--listen` say when they cannot begin; how they work, test/cluster/machines.test.ts shows. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { writeToken } from "../../../deploy/machines/token.js";
import { temporaryDirectory } from "../../support/cluster.js";
import { saf } from "../../support/saf.js";

const LIMIT = { timeout: 120_000 };
const token = writeToken({
  addresses: [
    { host: "127.0.0.1", port: 1 },
    { host: "127.0.0.2", port: 1 },
  ],
  authority: new Uint8Array(32),
  seed: `SU${"A".repeat(56)}`,
  expiresMs: 0,
});

test(
  "a token that is damaged is exit code 2, one that leads nowhere 5, and neither is repeated",
  LIMIT,
  async (t) => {
    const env = { SAF_STATE_DIR: join(await temporaryDirectory(t), "state") };
    const [damaged, nowhere] = await Promise.all([
      saf(["join", token.replace("A", "B")], { env }),
      saf(["join", token], { env }),
    ]);
    assert.equal(damaged.code, 2, damaged.stderr);
    assert.match(
      damaged.stderr,
      /^saf: The token cannot be used: it is damaged: a part is missing or was changed$/m,
    );
    assert.equal(nowhere.code, 5, nowhere.stderr);
    assert.match(
      nowhere.stderr,
      /^saf: Cannot reach the pool:\n +127\.0\.0\.1:1: nobody listens there\n +127\.0\.0\.2:1: nobody listens there\n +does saf up/m,
    );
    for (const { stdout, stderr } of [damaged, nowhere])
      assert.ok(!`${stdout}${stderr}`.includes("safjoin1_C"));
  },
);

test(
  "what cannot be listened on, and options that contradict each other, are exit code 2 at once",
  LIMIT,
  async () => {
    const runs = await Promise.all([
      saf(["up", "--listen", "http://lab"]),
      saf(["train", "--listen", "10.0.0.1", "--alone"]),
      saf(["join"]),
    ]);
    assert.deepEqual(
      runs.map(({ code }) => code),
      [2, 2, 2],
    );
    const [address, both, missing] = runs.map(({ stderr }) => stderr);
    assert.match(address ?? "", /Expected an address of this machine, as in 192\.168\.1\.5/);
    assert.match(both ?? "", /cannot be used with/);
    assert.match(missing ?? "", /missing required argument 'token'/);
  },
);

test("an address that is not this machine's is named", LIMIT, async (t) => {
  const env = { SAF_STATE_DIR: join(await temporaryDirectory(t), "state") };
  const { code, stderr } = await saf(["up", "--listen", "192.0.2.1:4222"], { env });
  assert.equal(code, 5, stderr);
  assert.match(stderr, /^saf: Cannot listen on 192\.0\.2\.1:4222: this machine does not have that address/m);
});
