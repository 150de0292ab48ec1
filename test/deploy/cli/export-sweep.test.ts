import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, after, before, describe, test } from "node:test";
import { text } from "node:stream/consumers";
import { parquetReadObjects } from "hyparquet";
import { SWEEP_FORMATS } from "../../../coordinator/results/export/sweep/formats.js";
import type { MlflowReport } from "../../../coordinator/results/export/sweep/send-mlflow.js";
import type { ExportReport } from "../../../coordinator/results/export/write-export.js";
import { exportOfSweep, isSweep } from "../../../deploy/cli/export-sweep.js";
import { mlflowAddress } from "../../../deploy/cli/mlflow-http.js";
import { ClusterError } from "../../../shared/errors.js";
import { MlflowTwin } from "../../support/mlflow-twin.js";
import { saf } from "../../support/saf.js";
import { writeSweep } from "../../support/written-sweep.js";

const SPEC = {
  name: "rates",
  parameters: { "train.learning_rate": { grid: [0.01, 0.02, 0.04] }, seed: { repeat: 2 } },
  objective: "clean",
};

/** A real socket in front of the server in memory. */
async function served(
  t: TestContext,
  twin: MlflowTwin,
): Promise<{ uri: string; seen: (string | undefined)[] }> {
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization);
    const url = new URL(request.url ?? "", "http://127.0.0.1");
    void text(request)
      .then((body) =>
        twin.http({
          method: request.method === "GET" ? "GET" : "POST",
          url: url.href,
          ...(body === "" ? {} : { body }),
        }),
      )
      .then(
        ({ status, body, retryAfter }) => {
          response
            .writeHead(status, retryAfter === undefined ? {} : { "Retry-After": String(retryAfter) })
            .end(body);
        },
        () => response.destroy(),
      );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return { uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

describe("a sweep's directory", () => {
  let folder = "";
  let sweep = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "saf-test-"));
    sweep = join(folder, "rates-20261124");
    await writeSweep(sweep, SPEC, ({ number, config }) => {
      if (number === 5) return { failure: { code: "diverged", reason: "the loss is NaN at step 3" } };
      const metrics = { clean: 1 - Number(config.train.learning_rate), loss: config.seed };
      return { outcome: { metrics, weights: "a".repeat(64), samples: 6000, seconds: 2, images: 100 } };
    });
  });
  after(() => rm(folder, { recursive: true, force: true }));

  for (const { name, makes } of SWEEP_FORMATS) {
    test(`is exported to ${name}, whole and with what is said of its files`, async () => {
      const out = join(folder, `all-${name}`);
      const report = (await exportOfSweep(sweep, { format: name, out, force: false })) as ExportReport;
      assert.deepEqual([report.format, report.path], [name, out]);
      assert.equal((await stat(out)).isDirectory(), makes === "folder");
      for (const { file, bytes } of report.files) assert.equal((await stat(file)).size, bytes);
    });
  }

  test("is known by its spec; a row of its table is a trial of its journal", async () => {
    assert.deepEqual([await isSweep(sweep), await isSweep(folder)], [true, false]);
    const out = join(folder, "own.parquet");
    await exportOfSweep(sweep, { format: "parquet", out, force: false });
    const rows = await parquetReadObjects({ file: (await readFile(out)).slice().buffer });
    assert.deepEqual(
      rows.map((row: Record<string, unknown>) =>
        ["number", "state", "clean", "train.learning_rate", "seed"].map((name) => row[name]),
      ),
      [
        [0n, "done", 0.99, 0.01, 0n],
        [1n, "done", 0.99, 0.01, 1n],
        [2n, "done", 0.98, 0.02, 0n],
        [3n, "done", 0.98, 0.02, 1n],
        [4n, "done", 0.96, 0.04, 0n],
        [5n, "failed", null, 0.04, 1n],
      ],
    );
  });

  test("is exported by the command under its own name, and a format of runs is refused with those of sweeps", async () => {
    const written = await saf(["export", "rates-20261124", "--format", "optuna", "--json"], { cwd: folder });
    assert.equal(written.code, 0, written.stderr);
    assert.equal(
      (JSON.parse(written.stdout) as ExportReport).path,
      join(folder, "rates-20261124-optuna.log"),
    );
    const refused = await saf(["export", sweep, "--format", "onnx"]);
    assert.deepEqual([refused.code, refused.stdout], [2, ""]);
    assert.match(refused.stderr, /is a sweep.*"onnx"\n.*optuna, tensorboard, mlflow, parquet/);
    const run = await saf(["export", folder, "--format", "optuna"]);
    assert.deepEqual([run.code, run.stdout], [2, ""]);
    assert.match(run.stderr, /"optuna" is a format of sweeps/);
  });

  test("is sent to an MLflow server over HTTP, with credentials, once", async (t) => {
    const twin = new MlflowTwin((count) => (count === 4 ? "unheard" : undefined));
    const { uri, seen } = await served(t, twin);
    const options = { format: "mlflow", out: join(folder, "sent.jsonl"), force: false };
    const trackingUri = uri.replace("//", "//me:secret@");
    const report = (await exportOfSweep(sweep, { ...options, trackingUri })) as MlflowReport;
    assert.deepEqual([report.runs, report.tracking_uri, twin.runs.size], [7, uri, 7]);
    assert.deepEqual([...new Set(seen)], [`Basic ${Buffer.from("me:secret").toString("base64")}`]);
    assert.ok(!(await readFile(options.out, "utf8")).includes("secret"));
    const again = (await exportOfSweep(sweep, { ...options, trackingUri })) as MlflowReport;
    assert.deepEqual([again.created, again.metrics, twin.runs.size], [0, 0, 7]);
  });
});

test("credentials come from the address, or from MLflow's own variables; others than HTTP are refused", () => {
  assert.deepEqual(mlflowAddress("https://host/mlflow/", {}), { uri: "https://host/mlflow" });
  const token = { MLFLOW_TRACKING_TOKEN: "t" };
  assert.equal(mlflowAddress("http://host:5000", token).authorization, "Bearer t");
  const user = { ...token, MLFLOW_TRACKING_USERNAME: "u", MLFLOW_TRACKING_PASSWORD: "p" };
  assert.equal(
    mlflowAddress("http://host:5000", user).authorization,
    `Basic ${Buffer.from("u:p").toString("base64")}`,
  );
  for (const address of ["./mlruns", "file:///mlruns", "databricks", ""])
    assert.throws(
      () => mlflowAddress(address, {}),
      (error) => error instanceof ClusterError && error.exitCode === 2,
    );
});
