import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, after, describe, test } from "node:test";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import type { ResultsDocument } from "../../../coordinator/runs/results-document.js";
import type { Finding } from "../../../deploy/verify/finding.js";
import type { FeaturesDocument } from "../../../shared/features.js";
import { checkpointOf, linesOf } from "../../support/cluster.js";
import { type SafRun, saf } from "../../support/saf.js";

const LIMIT = { timeout: 180_000 };
const SETTINGS = [
  ...["--set", "train.max_steps=5", "--set", "train.batch_size=32", "--set", "train.limit_images=512"],
  ...[
    "--set",
    "evaluate.images=100",
    "--set",
    "evaluate.attack_batch=50",
    "--set",
    "evaluate.strengths=[0, 0.25]",
  ],
];
const FEATURES = ["--set", "evaluate.features=true"];
const KINDS = ["clean", "adversarial", "nonsense", "noisy"];

/** One JSON document and nothing else. */
function documentOf<Value>({ stdout }: SafRun): Value {
  const value = JSON.parse(stdout) as Value;
  assert.equal(stdout, `${JSON.stringify(value, null, 2)}\n`);
  return value;
}

/** Every file with its size and the time of its last change. */
function traceOf(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .map((name) => {
      const { size, mtimeMs } = statSync(join(directory, name));
      return `${name} ${size} ${mtimeMs}`;
    })
    .sort();
}

function checkModels({ models }: ResultsDocument, kinds: readonly string[]): void {
  assert.equal(models.length, 1);
  const [model] = models;
  assert.ok(model);
  assert.equal(model.name, "mrelu-r-m");
  assert.equal(model.n, 10_000);
  assert.ok(model.clean_accuracy > 0 && model.clean_accuracy < 1);
  assert.ok(model.samples_per_second >= 0);
  assert.deepEqual([...new Set(model.curves.map(({ kind }) => kind))].sort(), [...kinds].sort());
  for (const point of model.curves) {
    const { protocol, attack, norm, ...documented } = point;
    // Clean images are of no protocol; by default there is only the paper's.
    assert.equal(protocol, point.kind === "clean" ? undefined : "paper");
    assert.equal(attack === undefined, point.kind === "clean");
    assert.equal(norm, point.kind === "clean" ? undefined : "linf");
    assert.deepEqual(Object.keys(documented).sort(), [
      "ci_high",
      "ci_low",
      "error",
      "kind",
      "mean_confidence",
      "n",
      "strength",
    ]);
    const { kind, strength, n, error, ci_low: low, ci_high: high } = point;
    assert.equal(n, kind === "clean" ? 10_000 : 100);
    assert.ok([0, 0.25].includes(strength));
    assert.ok(0 <= low && low <= error && error <= high && high <= 1, JSON.stringify(point));
  }
  assert.equal(model.curves.length, 1 + 2 * (kinds.length - 1));
  const clean = model.curves.find(({ kind }) => kind === "clean");
  assert.equal(1 - (clean?.error ?? NaN), model.clean_accuracy);
}

/** Keys of a JSON value, those of the values inside too. */
function keysOf(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  const inside = Object.values(value).flatMap(keysOf);
  return Array.isArray(value) ? inside : [...Object.keys(value), ...inside];
}

describe("a small run on this machine", () => {
  let home = "";
  let trained: SafRun;
  let document: ResultsDocument;

  before(async () => {
    home = await mkdtemp(join(tmpdir(), "saf-test-"));
    trained = await saf(
      ["train", "-m", "mrelu-r-m", "-w", "2", "--runs", "runs", "--json", ...SETTINGS, ...FEATURES],
      {
        cwd: home,
      },
    );
    assert.equal(trained.code, 0, trained.stderr);
    document = documentOf(trained);
  }, LIMIT);
  after(() => rm(home, { recursive: true, force: true }));

  test("`train --json` prints one document: the models and their curves", () => {
    checkModels(document, KINDS);
    assert.equal(document.interrupted, false);
    assert.ok(document.seconds > 0);
    assert.deepEqual(document.weights_sha256, { "mrelu-r-m": checkpointOf(document.directory).sha256 });
  });

  test("in a pipe, progress is whole lines on stderr: no colours, no cursor", () => {
    assert.doesNotMatch(trained.stderr, /[\u001b\r]/);
    assert.match(trained.stderr, /^engine .*, nats-server \d\S*, 2 worker\(s\)$/m);
    assert.match(trained.stderr, /^live page http:\/\/127\.0\.0\.1:\d+\/$/m);
    assert.match(trained.stderr, /training mrelu-r-m: 5 steps of 32 images/);
    assert.match(trained.stderr, /^mrelu-r-m: clean accuracy \d+\.\d\d %$/m);
    assert.ok(trained.stderr.endsWith("\n"));
  });

  test("it leaves a run directory that says all about it", () => {
    const { directory } = document;
    assert.deepEqual(readdirSync(join(home, "runs")).sort(), [directory.split("/").at(-1), "latest"].sort());
    assert.equal(realpathSync(join(home, "runs", "latest")), realpathSync(directory));
    for (const name of [
      "config.yaml",
      "env.json",
      "ledger.jsonl",
      "metrics.jsonl",
      "log.jsonl",
      "report.html",
      "results.json",
    ]) {
      assert.ok(existsSync(join(directory, name)), name);
    }
    assert.equal(existsSync(join(directory, "error.json")), false);
    assert.deepEqual(JSON.parse(readFileSync(join(directory, "results.json"), "utf8")), document);
    const status = JSON.parse(readFileSync(join(directory, "status.json"), "utf8")) as Record<
      string,
      unknown
    >;
    assert.deepEqual([status["state"], status["step"], status["exit_code"]], ["done", 5, 0]);
    assert.equal(linesOf(join(directory, "ledger.jsonl")).length, 5);
    assert.equal(linesOf(join(directory, "metrics.jsonl")).length, 5);
    assert.match(readFileSync(join(directory, "report.html"), "utf8"), /<html[\s\S]*<\/html>\s*$/);
    const csv = readFileSync(join(directory, "eval", "curves.csv"), "utf8")
      .trim()
      .split("\n");
    assert.equal(csv.length, 1 + 7);
  });

  test("it counts what feature channels answer, of the weights that it measured", () => {
    const { directory } = document;
    const features = JSON.parse(readFileSync(join(directory, "features.json"), "utf8")) as FeaturesDocument;
    assert.equal(features.checkpoint, document.weights_sha256["mrelu-r-m"]);
    assert.equal(features.images, 500);
    assert.deepEqual(
      features.places.map(({ layer, activation }) => `${layer} ${activation}`),
      ["conv1 mrelu", "conv2 mrelu", "conv3 relu"],
    );
    for (const { units, all, suppressed } of features.places) {
      for (const counts of [all.clean, all.nonsense])
        assert.equal(
          counts.reduce((sum, count) => sum + count, 0),
          500 * units,
        );
      assert.ok(suppressed !== null);
    }
  });

  test("every key of its data files is in snake_case", () => {
    const { directory } = document;
    const files = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter(
      (name) => /\.jsonl?$/.test(name) && !/(^|\/)(logs?[./]|plots\/|checkpoints\/latest)/.test(name),
    );
    for (const name of ["ledger.jsonl", "status.json", join("eval", "results.jsonl")])
      assert.ok(files.includes(name), `${name} is not among ${files.join(", ")}`);
    for (const name of files) {
      const text = readFileSync(join(directory, name), "utf8");
      const values = name.endsWith("l") ? text.trim().split("\n") : [text];
      const keys = new Set(values.flatMap((value) => keysOf(JSON.parse(value))));
      assert.deepEqual(
        [...keys].filter((key) => /[A-Z]/.test(key)),
        [],
        name,
      );
    }
  });

  test("`verify` computes it again to the same weights, and leaves no trace", LIMIT, async () => {
    const { directory } = document;
    const before = traceOf(directory);
    const run = await saf(["verify", directory, "--all"], { cwd: home });
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stdout, /✓ ledger +every image exactly once: 160 images of epoch 0, in 5 steps/);
    assert.match(
      run.stdout,
      /✓ recomputed +steps 0–4 in one process: same loss and accuracy, to the bit; same\s+weights\s+after\s+step\s+5/,
    );
    assert.match(run.stdout, /This run holds: .*; 5 of 5 steps computed again, to the same bits/);
    assert.deepEqual(traceOf(directory), before);
  });

  test("what does not hold is exit code 7, and named", LIMIT, async () => {
    const copy = join(home, "tampered");
    await cp(document.directory, copy, { recursive: true });
    const metrics = linesOf(join(copy, "metrics.jsonl")) as { step: number; loss: number }[];
    const forged = metrics.map((line) => (line.step === 2 ? { ...line, loss: line.loss + 1e-7 } : line));
    writeFileSync(join(copy, "metrics.jsonl"), forged.map((line) => `${JSON.stringify(line)}\n`).join(""));
    const other = await saf(["verify", copy], { cwd: home });
    assert.equal(other.code, 7, other.stderr);
    assert.match(other.stdout, /✗ recomputed +step 2 differs: computed again its loss is/);
    assert.match(other.stdout, /This run does not hold: recomputed/);

    const ledger = readFileSync(join(copy, "ledger.jsonl"), "utf8").split("\n");
    writeFileSync(join(copy, "ledger.jsonl"), [...ledger.slice(0, 1), ...ledger.slice(2)].join("\n"));
    const model = join(copy, "checkpoints", "step-00000005", "model.safetensors");
    const bytes = readFileSync(model);
    bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1);
    writeFileSync(model, bytes);
    const run = await saf(["verify", copy, "--json"], { cwd: home });
    assert.equal(run.code, 7, run.stderr);
    const { holds, runs } = documentOf<{ holds: boolean; runs: { findings: Finding[] }[] }>(run);
    assert.equal(holds, false);
    const words = runs[0]?.findings.filter(({ verdict }) => verdict === "broken").map((one) => one.words);
    assert.match(
      words?.join("\n") ?? "",
      /record 2 is of step 2, expected step 1\n[^]*model\.safetensors is corrupt/,
    );
  });

  test("it is not resumed with other settings: exit code 2, nothing touched", LIMIT, async () => {
    const before = checkpointOf(document.directory);
    const config = readFileSync(join(document.directory, "config.yaml"), "utf8");
    const run = await saf(["train", "--resume", document.directory, "--set", "seed=9", "-w", "1"], {
      cwd: home,
    });
    assert.equal(run.code, 2, run.stderr);
    assert.match(run.stderr, /Cannot resume .*: it was trained with other settings or other data/);
    assert.equal(run.stdout, "");
    assert.equal(readFileSync(join(document.directory, "config.yaml"), "utf8"), config);
    assert.ok(existsSync(join(document.directory, "error.json")));
    assert.deepEqual(checkpointOf(document.directory), before);
    assert.equal(linesOf(join(document.directory, "ledger.jsonl")).length, 5);
  });

  test(
    "`evaluate` measures its checkpoint again, only what is new, and trains no further",
    LIMIT,
    async () => {
      const before = checkpointOf(document.directory);
      const tasks = linesOf(join(document.directory, "eval", "results.jsonl")).length;
      const run = await saf(["evaluate", document.directory, "-w", "1", "--json"], { cwd: home });
      assert.equal(run.code, 0, run.stderr);
      const again = documentOf<ResultsDocument>(run);
      checkModels(again, KINDS);
      assert.deepEqual(
        again.models.map(({ curves, clean_accuracy: accuracy }) => ({ curves, accuracy })),
        document.models.map(({ curves, clean_accuracy: accuracy }) => ({ curves, accuracy })),
      );
      assert.deepEqual(checkpointOf(document.directory), before);
      assert.equal(linesOf(join(document.directory, "eval", "results.jsonl")).length, tasks);

      assert.equal(
        existsSync(join(document.directory, "error.json")),
        false,
        "it tells of an attempt that is over",
      );

      const config = readFileSync(join(document.directory, "config.yaml"), "utf8");
      const other = await saf(
        [
          "evaluate",
          document.directory,
          "-w",
          "2",
          "--json",
          "--set",
          "evaluate.kinds=[noisy]",
          "--set",
          "seed=0",
        ],
        { cwd: home },
      );
      assert.equal(other.code, 0, other.stderr);
      checkModels(documentOf(other), ["clean", "noisy"]);
      assert.equal(readFileSync(join(document.directory, "config.yaml"), "utf8"), config);
    },
  );

  test("`report` draws it again and prints where", LIMIT, async () => {
    const page = join(document.directory, "report.html");
    await rm(page);
    await rm(join(document.directory, "plots"), { recursive: true });
    const run = await saf(["report", document.directory, "--json"], { cwd: home });
    assert.equal(run.code, 0, run.stderr);
    assert.deepEqual(documentOf(run), { report: page, plots: join(document.directory, "plots") });
    assert.match(readFileSync(page, "utf8"), /mrelu-r-m/);
    assert.ok(readdirSync(join(document.directory, "plots")).some((name) => name.endsWith(".png")));
    const words = await saf(["report", document.directory], { cwd: home });
    assert.equal(words.stdout, `${page.slice(home.length + 1)}\n`);
  });
});
