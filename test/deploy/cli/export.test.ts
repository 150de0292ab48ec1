import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type TestContext, after, before, describe, test } from "node:test";
import { InferenceSession, Tensor } from "onnxruntime-web";
import type { ExportFormat } from "../../../coordinator/results/export/export-format.js";
import { exportRun } from "../../../coordinator/results/export/export-run.js";
import type { ExportReport } from "../../../coordinator/results/export/write-export.js";
import { EXPORT_FORMATS } from "../../../coordinator/results/export/formats.js";
import type { RunImages } from "../../../coordinator/results/export/run-source.js";
import { loadMnist, mnistDirectory } from "../../../coordinator/io/datasets/mnist.js";
import { decodeSafetensors } from "../../../shared/core/safetensors.js";
import { ClusterError } from "../../../shared/errors.js";
import { findRunImages } from "../../../deploy/cli/run-images.js";
import type { Config } from "../../../shared/config/run.js";
import { saf } from "../../support/saf.js";

const LIMIT = { timeout: 180_000 };
const SETTINGS = [
  ...[
    "train.max_steps=20",
    "train.batch_size=64",
    "train.learning_rate=0.02",
    "train.checkpoint_every_steps=10",
  ],
  ...["evaluate.images=100", "evaluate.attack_batch=50", "evaluate.strengths=[0, 0.25]"],
].flatMap((setting) => ["--set", setting]);

/** The exit code and what is said, as the program would. */
async function refusal(attempt: Promise<unknown>): Promise<{ code: number; message: string }> {
  const error = await attempt.then(() => undefined, (reason: unknown) => reason); // prettier-ignore
  assert.ok(error instanceof ClusterError, String(error));
  return { code: error.exitCode, message: error.message };
}

function formatNamed(name: string): ExportFormat {
  const format = EXPORT_FORMATS.find((candidate) => candidate.name === name);
  assert.ok(format);
  return format;
}

const findImages = (config: Config): Promise<RunImages> => findRunImages(config, undefined);

/** What the command does, without a process of its own. */
function exported(path: string, format: string, out: string, force = false): Promise<ExportReport> {
  return exportRun(path, formatNamed(format), { out, force, perImage: false, findImages });
}

describe("a trained run", () => {
  let folder = "";
  let run = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "saf-test-"));
    const trained = await saf(["train", "--model", "mrelu", "--workers", "1", "--json", ...SETTINGS], {
      cwd: folder,
    });
    assert.equal(trained.code, 0, trained.stderr);
    run = (JSON.parse(trained.stdout) as { directory: string }).directory;
  }, LIMIT);
  after(() => rm(folder, { recursive: true, force: true }));

  /** A copy that a test may spoil. */
  async function copyOf(t: TestContext): Promise<string> {
    const home = await mkdtemp(join(folder, "copy-"));
    t.after(() => rm(home, { recursive: true, force: true }));
    await cp(run, join(home, "run"), { recursive: true, verbatimSymlinks: true });
    return join(home, "run");
  }

  for (const { name, makes } of EXPORT_FORMATS) {
    test(`is exported to ${name}, whole and with what is said of its files`, LIMIT, async () => {
      const { format, path, files } = await exported(run, name, join(folder, `all-${name}`));
      assert.deepEqual([format, path], [name, join(folder, `all-${name}`)]);
      assert.equal((await stat(path)).isDirectory(), makes === "folder");
      for (const { file, bytes, sha256 } of files) {
        const content = await readFile(file);
        assert.equal(content.byteLength, bytes);
        assert.equal(createHash("sha256").update(content).digest("hex"), sha256);
      }
      assert.deepEqual(
        (await readdir(folder)).filter((entry) => entry.endsWith(".part")),
        [],
      );
    });
  }

  test("answers in onnxruntime as it did when it was measured, image by image", LIMIT, async () => {
    await exported(run, "onnx", join(folder, "own.onnx"));
    const csv = join(folder, "own.csv");
    const written = await saf(["export", run, "--format", "csv", "--per-image", "--out", csv, "--json"]);
    assert.equal(written.code, 0, written.stderr);
    assert.equal((JSON.parse(written.stdout) as ExportReport).path, csv);
    const [names = "", ...lines] = (await readFile(csv, "utf8")).trim().split("\n");
    const columns = names.split(",");
    const rows = lines
      .map((line) => Object.fromEntries(line.split(",").map((field, i) => [columns[i] ?? "", field])))
      .filter(({ kind, index }) => kind === "clean" && Number(index) < 500);
    assert.equal(rows.length, 500);

    const { test: images } = await loadMnist(mnistDirectory(undefined, process.env).directory);
    const pixels = Float32Array.from(images.pixels.subarray(0, 500 * 784));
    const session = await InferenceSession.create(await readFile(join(folder, "own.onnx")));
    const { confidences } = await session.run({ pixels: new Tensor("float32", pixels, [500, 28, 28, 1]) });
    const values = confidences?.data as Float32Array;
    for (const row of rows) {
      const index = Number(row["index"]);
      const own = values.subarray(index * 10, (index + 1) * 10);
      assert.equal(Number(row["label"]), images.labels[index]);
      // float32 in another order; where the two largest are as near, either may be the answer.
      assert.ok(Math.abs(Math.max(...own) - Number(row["confidence"])) < 1e-4, `image ${index}`);
      assert.ok(Math.max(...own) - (own[Number(row["prediction"])] as number) < 1e-4, `image ${index}`);
    }
    assert.ok(new Set(rows.map(({ prediction }) => prediction)).size > 1);
  });

  test("gives the weights of the checkpoint that is named, the newest where none is", LIMIT, async () => {
    const checkpoints = join(run, "checkpoints");
    const hashes: (string | undefined)[] = [];
    for (const [i, path] of [
      run,
      join(checkpoints, "latest"),
      join(checkpoints, "step-00000010"),
    ].entries()) {
      const out = join(folder, `named-${i}.safetensors`);
      await exported(path, "safetensors", out);
      hashes.push(decodeSafetensors(await readFile(out), out).metadata["weights_sha256"]);
    }
    const [newest, latest, older] = hashes;
    assert.equal(newest, latest);
    assert.notEqual(newest, older);
    const state = await readFile(join(checkpoints, "step-00000020", "state.json"), "utf8");
    assert.equal((JSON.parse(state) as { weights_sha256: string }).weights_sha256, newest);
  });

  test(
    "is named by its folder where a link leads to it: `latest` is another one tomorrow",
    LIMIT,
    async () => {
      const report = await saf(["export", "runs/latest", "--format", "csv", "--json"], { cwd: folder });
      assert.equal(report.code, 0, report.stderr);
      const { path } = JSON.parse(report.stdout) as ExportReport;
      assert.equal(basename(path), `${basename(run)}.csv`);
      const [, line = ""] = (await readFile(path, "utf8")).split("\n");
      // Behind the version of the format.
      assert.equal(line.split(",")[1], basename(run), line);
    },
  );

  test("what was measured is not taken for that of another checkpoint", LIMIT, async () => {
    const older = join(run, "checkpoints", "step-00000010");
    const { code, message } = await refusal(exported(older, "csv", join(folder, "older.csv")));
    assert.equal(code, 3);
    assert.match(message, /its weights were not measured/);
  });

  test("an unknown format is refused with the list of formats", LIMIT, async () => {
    const { code, stdout, stderr } = await saf(["export", run, "--format", "onxx"]);
    assert.deepEqual([code, stdout], [2, ""]);
    const [line = ""] = stderr.split("\n");
    for (const { name } of EXPORT_FORMATS) assert.ok(line.includes(name), line);
  });

  test("rows per image are for tables only", LIMIT, async () => {
    const options = { out: join(folder, "images.onnx"), force: false, perImage: true, findImages };
    const { code, message } = await refusal(exportRun(run, formatNamed("onnx"), options));
    assert.equal(code, 2);
    assert.match(message, /no --per-image for format "onnx"/);
  });

  test("an earlier export stays unless --force replaces it", LIMIT, async () => {
    const file = join(folder, "kept.csv");
    await writeFile(file, "mine");
    const refused = await saf(["export", run, "--format", "csv", "--out", file]);
    assert.deepEqual([refused.code, refused.stdout], [2, ""]);
    assert.match(refused.stderr, /kept\.csv: it exists\n.*--force/);
    assert.equal(await readFile(file, "utf8"), "mine");
    assert.equal((await saf(["export", run, "--format", "csv", "--out", file, "--force"])).code, 0);
    assert.match(await readFile(file, "utf8"), /^schema_version,/);
  });

  test("a folder with other files in it is never replaced, not by force either", LIMIT, async () => {
    const net = join(folder, "net");
    await exported(run, "tensorboard", net);
    assert.match((await refusal(exported(run, "tensorboard", net))).message, /it exists/);
    await exported(run, "tensorboard", net, true);
    await writeFile(join(net, "thesis.tex"), "years");
    const { code, message } = await refusal(exported(run, "tensorboard", net, true));
    assert.equal(code, 2);
    assert.match(message, /it holds other files \(thesis\.tex\)/);
    assert.equal(await readFile(join(net, "thesis.tex"), "utf8"), "years");
    assert.match((await refusal(exported(run, "csv", net, true))).message, /it is a folder/);
  });

  test("a run without a checkpoint is a data error", LIMIT, async (t) => {
    const copy = await copyOf(t);
    await rm(join(copy, "checkpoints"), { recursive: true });
    await mkdir(join(copy, "checkpoints"));
    const { code, message } = await refusal(exported(copy, "onnx", join(copy, "a.onnx")));
    assert.equal(code, 3);
    assert.match(message, /it holds no checkpoint/);
  });

  test("a checkpoint with one flipped bit is a data error that names the file", LIMIT, async (t) => {
    const copy = await copyOf(t);
    const file = join(copy, "checkpoints", "step-00000020", "model.safetensors");
    const bytes = await readFile(file);
    bytes[bytes.length - 5] = (bytes.at(-5) as number) ^ 1;
    await writeFile(file, bytes);
    const out = join(copy, "a.safetensors");
    const refused = await saf(["export", copy, "--format", "safetensors", "--out", out]);
    assert.deepEqual([refused.code, refused.stdout], [3, ""]);
    assert.match(refused.stderr, /step-00000020\/model\.safetensors is corrupt: expected SHA-256/);
    await assert.rejects(stat(out), { code: "ENOENT" });
  });

  test("weights and settings that do not belong together are a data error", LIMIT, async (t) => {
    const copy = await copyOf(t);
    const config = join(copy, "config.yaml");
    await writeFile(config, (await readFile(config, "utf8")).replace("seed: 0", "seed: 1"));
    const { code, message } = await refusal(exported(copy, "onnx", join(copy, "a.onnx")));
    assert.equal(code, 3);
    assert.match(message, /belong to other images or settings/);
  });

  test("a folder of several runs is one table, and no one's weights", LIMIT, async (t) => {
    const copy = await copyOf(t);
    const home = join(copy, "..");
    await cp(copy, join(home, "other"), { recursive: true, verbatimSymlinks: true });
    await exported(home, "csv", join(home, "both.csv"));
    const lines = (await readFile(join(home, "both.csv"), "utf8")).trim().split("\n").slice(1);
    assert.deepEqual([...new Set(lines.map((line) => line.split(",")[1]))], ["other", "run"]);
    const { code, message } = await refusal(exported(home, "onnx", join(home, "a.onnx")));
    assert.equal(code, 2);
    assert.match(message, /it holds 2 runs/);
  });

  test("what is no run is refused, and says what would be one", LIMIT, async () => {
    const { code, message } = await refusal(
      exported(join(folder, "nowhere"), "onnx", join(folder, "a.onnx")),
    );
    assert.equal(code, 2);
    assert.match(message, /no run directory and no checkpoint/);
  });

  test("a place that cannot be written is a storage error, and leaves nothing behind", LIMIT, async () => {
    await writeFile(join(folder, "a-file"), "");
    const { code, message } = await refusal(exported(run, "csv", join(folder, "a-file", "inside.csv")));
    assert.equal(code, 1);
    assert.match(message, /^Cannot create the folder of /);
    assert.equal(await readFile(join(folder, "a-file"), "utf8"), "");
  });
});
