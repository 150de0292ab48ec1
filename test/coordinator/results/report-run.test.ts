import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { type TestContext, test } from "node:test";
import { renderReport } from "../../../coordinator/results/report/report-html.js";
import { reportRun } from "../../../coordinator/results/report/report-run.js";
import { reportAside } from "../../../coordinator/results/report/report-thread.js";
import { writeResultsFolder } from "../../../coordinator/results/reproduction/results-folder.js";
import { ClusterError } from "../../../shared/errors.js";
import type { CurvePoint, ModelResult, SampleImage } from "../../../shared/results.js";
import { assertWellFormed } from "./report-page-checks.js";
import { sampleImages, sampleReport, sampleResult, sampleSteps } from "./report-sample.js";
import { readResultLines } from "../../../shared/io/result-lines.js";

const NAMES = { title: "a run", command: "npx saf train" };

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "saf-run-report-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

interface RunFiles {
  result: ModelResult;
  lines?: object[];
  config?: string;
}

/** A run directory, as far as a report reads it. */
async function runIn(
  path: string,
  { result, lines = [], config = "model: plain\nseed: 0\n" }: RunFiles,
): Promise<string> {
  await mkdir(join(path, "eval"), { recursive: true });
  const journal = (entries: readonly object[]): string =>
    entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
  await writeFile(join(path, "config.yaml"), config);
  await writeFile(join(path, "env.json"), JSON.stringify({ saf: "0.1.0" }));
  await writeFile(join(path, "result.json"), JSON.stringify(result));
  await writeFile(join(path, "status.json"), JSON.stringify({ state: "done", epoch: 10 }));
  await writeFile(join(path, "metrics.jsonl"), journal(sampleSteps(200, 1)));
  await writeFile(join(path, "eval", "results.jsonl"), journal(lines));
  return path;
}

/** `plain` with its corrected curves and today's attacks, some of which a check does not believe. */
function wholeResult(unreliable: string[] = []): ModelResult {
  const base = sampleResult("plain");
  const corrected = base.curves
    .filter(({ kind }) => kind !== "clean")
    .map((point): CurvePoint => ({ ...point, protocol: "corrected", error: point.error / 2 }));
  const modern = ["pgd-40", "square", "worst-case"].flatMap((attack, i) =>
    [0.1, 0.25, 0.3].map((strength): CurvePoint => {
      const error = Math.min(1, 0.2 * i + strength);
      const interval = { ci_low: Math.max(0, error - 0.02), ci_high: Math.min(1, error + 0.02) };
      const of = { kind: "adversarial", protocol: "modern", attack, norm: "linf" } as const;
      return { ...of, strength, n: 1000, error, ...interval, mean_confidence: 0.8 };
    }),
  );
  return {
    ...base,
    curves: [...base.curves, ...corrected, ...modern],
    checks: [
      { number: 1, title: "stronger attacks find more", status: "passed", detail: "PGD 91 %, FGSM 80 %" },
      {
        number: 4,
        title: "gradients do not vanish",
        status: unreliable.length > 0 ? "failed" : "passed",
        detail: "98 % are zero",
      },
    ],
    nonsense: [
      {
        protocol: "modern",
        attack: "uniform",
        norm: "linf",
        strength: 0,
        n_real: 1000,
        n_nonsense: 500,
        auroc: 0.8125,
        false_accept_at_95: 0.75,
      },
    ],
    ...(unreliable.length > 0 ? { unreliable } : {}),
  };
}

const textOf = (page: string): string =>
  page
    .replace(/<style>[\s\S]*?<\/style>/, "")
    .replace(/<svg[\s\S]*?<\/svg>/g, " ")
    .replace(/<[^>]*>/g, " ")
    .replaceAll("&#39;", "'")
    .replace(/\s+/g, " ");

test("a run's report shows corrected and modern curves, nonsense scores and sanity checks", async () => {
  const data = { ...sampleReport(), models: [{ result: wholeResult(), steps: [], samples: [] }] };
  const page = await renderReport(data);
  assertWellFormed(page);
  const sections = [...page.matchAll(/<h2 id="([a-z]+)"/g)].map((match) => match[1]);
  assert.deepEqual(sections, ["reading", "error", "modern", "protocol", "reproduce"]);
  // Three kinds by the paper's protocol, the same corrected, and the attacks.
  assert.equal(page.match(/<svg class="plot"/g)?.length, 7);
  const text = textOf(page);
  assert.match(text, /As the paper measured/);
  assert.match(text, /The same without the released protocol's defects/);
  assert.match(text, /plain: attacks worst-case square pgd-40/);
  assert.match(text, /adversarial square 30\.0 28\.0–32\.0 n = 1,000 45\.0/);
  assert.match(text, /modern, uniform 0 500 0\.813 75\.0/);
  assert.match(text, /4\. gradients do not vanish ✓ passed/);
  assert.match(text, /sanity checks nothing failed/);
  assert.doesNotMatch(text, /None of them was run here|⚠|NaN|undefined/);
});

test("what a sanity check does not believe is marked in every table and hollow in every plot", async () => {
  const reason = "check 4, gradients do not vanish: 98 % are zero";
  const data = { ...sampleReport(), models: [{ result: wholeResult([reason]), steps: [], samples: [] }] };
  const page = await renderReport(data);
  const text = textOf(page);
  assert.match(text, new RegExp(`Unreliable\\..*plain : ${reason}`));
  assert.match(text, /sanity checks ⚠ unreliable/);
  assert.match(text, /0\.25 ⚠ 97\.6 96\.5–98\.4/);
  assert.match(text, /adversarial square ⚠ 30\.0/);
  for (const [plot] of page.matchAll(/<svg class="plot"[\s\S]*?<\/svg>/g)) {
    assert.match(plot, /stroke-dasharray="1,3"/, "dotted");
    assert.match(
      plot,
      /mark-symbol[^>]*><path [^>]*d="[^"]*" stroke="var\(--series-0/,
      "hollow: a line without filling",
    );
    assert.doesNotMatch(plot, /mark-symbol[^>]*><path [^>]*fill="var/);
  }
});

test("many networks are rows of a table of numbers, so that none is cut off", async () => {
  const models = ["plain", "plain-r-m", "mrelu"].map((name) => ({
    result: { ...sampleResult("plain"), name },
    steps: [],
    samples: [],
  }));
  const page = await renderReport({ ...sampleReport(), models });
  assertWellFormed(page);
  const [table] = /<table class="dense">[\s\S]*?<\/table>/.exec(page) ?? [];
  assert.equal(table?.match(/<th scope="row">/g)?.length, 3);
  assert.equal(table?.match(/<th scope="col"/g)?.length, 14, "β, and thirteen strengths");
});

test("the pictures of the newest checkpoint are shown, by the paper's protocol", async (t) => {
  const [image] = sampleImages(3, false);
  assert.ok(image);
  const as = (change: Partial<SampleImage>): object => ({
    task: { kind: "clean", first_image: 0, image_count: 1 },
    outcomes: [],
    samples: [{ ...image, ...change }],
  });
  const lines = [
    as({ prediction: 1, right: false }),
    as({ prediction: 7, right: true }),
    as({
      kind: "adversarial",
      strength: 0.25,
      protocol: "modern",
      attack: "pgd-40",
      prediction: 3,
      right: false,
    }),
    as({
      kind: "adversarial",
      strength: 0.25,
      protocol: "paper",
      attack: "paper-fgs",
      prediction: 5,
      right: false,
    }),
  ];
  const out = await runIn(await folder(t), { result: sampleResult("plain"), lines });
  const page = await readFile(await reportRun(out, NAMES), "utf8");
  const answers = [...page.matchAll(/<b>([✓✗] \d)<\/b>/g)].map((match) => match[1]);
  assert.deepEqual(answers, ["✓ 7", "✗ 5"]);
});

test("a report drawn aside leaves the event loop free", async (t) => {
  const out = await runIn(await folder(t), { result: wholeResult() });
  const delay = monitorEventLoopDelay({ resolution: 5 });
  const began = performance.now();
  delay.enable();
  const page = await reportAside(out, NAMES);
  delay.disable();
  const seconds = (performance.now() - began) / 1000;
  t.diagnostic(`drawn in ${seconds.toFixed(1)} s, longest delay ${(delay.max / 1e6).toFixed(0)} ms`);
  assert.match(await readFile(page, "utf8"), /<h1>a run<\/h1>/);
  // Drawn in the loop, nearly all of the time is one single delay.
  assert.ok(delay.max / 1e9 < seconds / 2, `${delay.max / 1e9} s of ${seconds} s`);
});

test("why a report could not be drawn comes back from the thread", async (t) => {
  await assert.rejects(reportAside(await folder(t), NAMES), (error) => {
    assert.ok(error instanceof ClusterError && error.code === "data");
    assert.match(error.message, /holds no result\.json/);
    assert.match(error.hint ?? "", /evaluation has finished/);
    return true;
  });
});

test("lines of old versions are read under today's names", async (t) => {
  const file = join(await folder(t), "results.jsonl");
  const outcomes = [{ strength: 0, predictions: "", confidences: "", wrong: "" }];
  const rest = { worker: "w", outcomes, samples: [] };
  const old = { task: { id: "a", kind: "clean", firstImage: 200, imageCount: 100, sampleCount: 8 }, ...rest };
  const today = { task: { id: "b", kind: "clean", first_image: 0, image_count: 50 }, ...rest };
  await writeFile(file, `${JSON.stringify(old)}\n${JSON.stringify(today)}\n`);
  const tasks = (await readResultLines(file)).map(({ task }) => task);
  assert.deepEqual(tasks, [
    { id: "a", kind: "clean", first_image: 200, image_count: 100, sample_count: 8, patience_ms: 0 },
    today.task,
  ]);
});

test("a folder to publish has tables, plots and the command, and names no folder of this machine", async (t) => {
  const out = await folder(t);
  const manifest = {
    ...{ dataset: "cifar10", models: ["plain", "mrelu"], seeds: [0], epochs: 10, images: 1000 },
    command: `npx saf reproduce cifar10 --models plain,mrelu --epochs 10 --out ${out}`,
    ...{ updated: "2026-11-25T03:00:00.000Z", environment: { saf: "0.1.0", processor: "2 x CPU" } },
  };
  await writeFile(join(out, "reproduction.json"), JSON.stringify(manifest));
  await writeFile(
    join(out, "results.json"),
    JSON.stringify({ weights_sha256: { plain: "c0ffee0123456789" } }),
  );
  await runIn(join(out, "plain"), { result: wholeResult(["98 % of the gradients are zero"]) });
  await runIn(join(out, "mrelu"), { result: wholeResult(), config: "model: mrelu\nseed: 0\n" });
  await reportRun(out, NAMES);
  const published = join(await folder(t), "results");

  await writeResultsFolder(out, published, ["A note."]);

  assert.deepEqual((await readdir(published)).sort(), [
    ...[
      "README.md",
      "accuracy-corrected.png",
      "accuracy-paper.png",
      "claims.json",
      "clean.csv",
      "curves.csv",
    ],
    "modern.png",
  ]);
  const text = await readFile(join(published, "README.md"), "utf8");
  assert.match(text, /^# 2 of the paper's networks on CIFAR-10, 10 epochs\n/);
  assert.match(text, /- Command: `npx saf reproduce cifar10 --models plain,mrelu --epochs 10`\n/);
  assert.match(
    text,
    /\*\*Not the full training\*\*: epochs here, of the authors': `plain` 10 of 45, `mrelu` 10 of 90/,
  );
  assert.match(
    text,
    /\| `plain` \| 10 +\| 1\.08 +\| 0\.90 to 1\.30 +\| 21\.69 +\| −20\.61 +\| `c0ffee01…` +\|/,
  );
  assert.match(text, /\| `plain` \| 1,000 +\| ⚠ \d/);
  assert.match(text, /\| `mrelu` \| 1,000 +\| \d/);
  assert.match(text, /^- A note\.$/m);
  assert.match(text, /⚠ `plain`: 98 % of the gradients are zero/);
  for (const name of ["README.md", "claims.json", "clean.csv", "curves.csv"])
    assert.ok(!(await readFile(join(published, name), "utf8")).includes(tmpdir()), name);

  await assert.rejects(
    writeResultsFolder(join(out, "plain"), published),
    (error) =>
      error instanceof ClusterError && error.code === "usage" && /no reproduction/.test(error.message),
  );
});
