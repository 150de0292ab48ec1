import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { knownVariables, unknownVariables } from "../../../deploy/cli/environment.js";
import { POOL_VARIABLES } from "../../../deploy/cli/pool-options.js";
import { createProgram } from "../../../deploy/cli/program.js";
import { TENSORFLOW_VERSION } from "../../../deploy/setup/tensorflow-wheel.js";
import { VERSION } from "../../../shared/version.js";
import { ROOT } from "../../docs/tables.js";
import { dockerfileFacts } from "../../support/kube/images.js";

const textOf = (file: string): string => readFileSync(join(ROOT, "deploy/docker", file), "utf8");
const HEALTH = join(ROOT, "deploy/docker/health.mjs");

for (const file of ["cpu.Dockerfile", "gpu.Dockerfile"]) {
  describe(file, () => {
    test("Node is process 1 of a user with a number, and only variables that are read are set", () => {
      const { entrypoint, env, user, workdir } = dockerfileFacts(file);
      assert.deepEqual(entrypoint, ["node", `${workdir}/dist/deploy/cli/main.js`]);
      assert.equal(user, "1000:1000");
      const options = createProgram().commands.flatMap((command) =>
        command.options.map(({ envVar }) => envVar),
      );
      assert.deepEqual(unknownVariables(env, knownVariables(options, POOL_VARIABLES.keys())), []);
      assert.deepEqual([env["SAF_HTTP_HOST"], env["SAF_HTTP_PORT"]], ["0.0.0.0", "9464"]);
      assert.equal(env["TF_NUM_INTRAOP_THREADS"], "1");
    });

    test("bases are pinned, the health check is our own, nothing pipes from the network", () => {
      const text = textOf(file);
      for (const [, image] of text.matchAll(/^ARG \w+_IMAGE=(\S+)$/gm))
        assert.match(image ?? "", /:\d+\.\d+\.\d+[\w.-]*$/);
      for (const [, base] of text.matchAll(/^FROM (\S+)/gm)) assert.match(base ?? "", /^\$\{\w+_IMAGE\}$/);
      assert.match(text, /^HEALTHCHECK .*CMD \["node", "\/opt\/saf\/deploy\/docker\/health\.mjs"\]$/m);
      assert.doesNotMatch(text, /curl|wget|\| *sh\b|:latest/);
      assert.ok(text.includes(`org.opencontainers.image.version="${VERSION}"`));
    });

    test("what is copied is not ignored", () => {
      const allowed = readFileSync(join(ROOT, ".dockerignore"), "utf8")
        .split("\n")
        .filter((line) => line.startsWith("!"))
        .map((line) => line.slice(1));
      const copied = [...textOf(file).matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, files = ""]) =>
        files.split(" "),
      );
      assert.ok(copied.length >= 8);
      for (const path of copied)
        assert.ok(
          allowed.some((name) => path === name || path.startsWith(`${name}/`)),
          `${path} is ignored`,
        );
    });
  });
}

test("the GPU image installs the TensorFlow that the addon is tried with", () => {
  assert.ok(textOf("gpu.Dockerfile").includes(`tensorflow==${TENSORFLOW_VERSION}`));
  assert.match(textOf("gpu.Dockerfile"), /^RUN sh deploy\/docker\/check-libraries\.sh$/m);
});

test("the library check fails where there is no addon", () => {
  const { status, stderr } = spawnSync("sh", [join(ROOT, "deploy/docker/check-libraries.sh")], {
    encoding: "utf8",
  });
  assert.equal(status, 1);
  assert.match(stderr, /there is no \/opt\/saf\/node_modules/);
});

test("the health check says what the process's own port says", async (t) => {
  let status = 200;
  const server = createServer((_request, response) => response.writeHead(status).end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const ask = (at: number): Promise<number | null> =>
    import("node:child_process").then(
      ({ spawn }) =>
        new Promise((resolve) =>
          spawn(process.execPath, [HEALTH], { env: { ...process.env, SAF_HTTP_PORT: String(at) } }).once(
            "close",
            resolve,
          ),
        ),
    );
  assert.equal(await ask(port), 0);
  status = 503;
  assert.equal(await ask(port), 1);
  assert.equal(await ask(1), 1);
});
