import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../../support/cluster.js";
import { saf } from "../../support/saf.js";

test(
  "HTTP that cannot be served as it was asked for is said in a line, with exit code 2",
  { timeout: 180_000 },
  async (t) => {
    const folder = await temporaryDirectory(t);
    const file = join(folder, "run.yaml");
    await writeFile(file, "model: plain\n");
    const coordinator = [
      "coordinator",
      "--run",
      file,
      "--out",
      join(folder, "out"),
      "--log-file",
      join(folder, "log"),
    ];
    const worker = ["worker", "--id", "worker-1", "--nats-url", "nats://127.0.0.1:9"];
    const cases: [string[], Record<string, string>, RegExp][] = [
      [worker, { SAF_HTTP_PORT: "tcp://10.0.0.1:80" }, /Expected a port from 0 to 65535/],
      [worker, { SAF_HTTP_PORT: "65536" }, /Expected a port from 0 to 65535/],
      [worker, { SAF_HTTP_CERT_FILE: file }, /^saf: HTTPS needs both a certificate and its key/m],
      [worker, { SAF_HTTP_CERT_FILE: file, SAF_HTTP_KEY_FILE: file }, /^saf: Cannot use .*run\.yaml/m],
      [
        coordinator,
        { SAF_HTTP_TOKEN_FILE: join(folder, "none") },
        /^saf: Cannot use .*none: ENOENT.*\n\s+named by SAF_HTTP_TOKEN_FILE/m,
      ],
      [coordinator, { SAF_HTTP_TOKEN_FILE: file }, /must hold one word of at least 16 characters/],
      [coordinator, { SAF_HTTP_ORIGINS: "saf.example" }, /Expected origins as in https:\/\/saf\.example/],
    ];
    for (const [args, env, words] of cases) {
      const { code, stderr, stdout } = await saf(args, { env });
      assert.equal(code, 2, `${JSON.stringify(env)}: ${stderr}`);
      assert.match(stderr, words);
      assert.equal(stdout, "");
    }
  },
);
