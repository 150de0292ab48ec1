import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { writeReport } from "../../../coordinator/results/report/write-report.js";
import { ClusterError } from "../../../shared/errors.js";
import { sampleReport } from "./report-sample.js";

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "saf-report-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function filesBelow(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(path, join(entry.parentPath, entry.name)));
  return files.sort();
}

const PLOTS = ["error-vs-strength", "training"].flatMap((name) =>
  [".png", ".svg", ".vl.json"].map((ending) => join("plots", name + ending)),
);

test("a report is a page, its plots, and its numbers, and nothing else", async (t) => {
  const directory = await folder(t);
  const written = await writeReport(directory, sampleReport());

  assert.deepEqual(await filesBelow(directory), [join("eval", "curves.csv"), ...PLOTS, "report.html"].sort());
  assert.equal(written.html, join(directory, "report.html"));
  assert.deepEqual(written.plots.map((path) => relative(directory, path)).sort(), [...PLOTS].sort());
  const page = await readFile(written.html, "utf8");
  assert.ok(page.startsWith("<!DOCTYPE html>") && page.endsWith("</html>\n"));
  assert.ok(page.length < 600_000, `${page.length} characters`);
});

test("the same data give the same bytes", async (t) => {
  const [first, second] = [await folder(t), await folder(t)];
  await writeReport(first, sampleReport());
  await writeReport(second, sampleReport());
  for (const file of await filesBelow(first)) {
    assert.ok((await readFile(join(first, file))).equals(await readFile(join(second, file))), file);
  }
});

test("a second report replaces whole files, so who reads the old one reads it to the end", async (t) => {
  const directory = await folder(t);
  const { html } = await writeReport(directory, sampleReport());
  const old = await readFile(html, "utf8");
  const reader = await open(html);
  t.after(() => reader.close());

  await writeReport(directory, { ...sampleReport(), title: "another title" });

  assert.equal(await reader.readFile("utf8"), old);
  assert.match(await readFile(html, "utf8"), /<h1>another title<\/h1>/);
  assert.notEqual((await stat(html)).ino, (await reader.stat()).ino);
});

test("a report that cannot be written leaves the old page as it was and nothing half written", async (t) => {
  const directory = await folder(t);
  await writeFile(join(directory, "report.html"), "old page");
  await writeFile(join(directory, "eval"), "a file where a folder must be");

  await assert.rejects(
    writeReport(directory, sampleReport()),
    (error) =>
      error instanceof ClusterError && error.code === "storage" && error.message.includes("curves.csv"),
  );

  assert.equal(await readFile(join(directory, "report.html"), "utf8"), "old page");
  assert.deepEqual(
    (await filesBelow(directory)).filter((file) => file.endsWith(".tmp")),
    [],
  );
});

test("a plot without data is left out", async (t) => {
  const directory = await folder(t);
  const data = sampleReport();
  const models = data.models.map(({ result }) => ({
    result: { ...result, curves: [] },
    steps: [],
    samples: [],
  }));
  const written = await writeReport(directory, { ...data, models });
  assert.deepEqual(written.plots, []);
  assert.deepEqual(await filesBelow(directory), [join("eval", "curves.csv"), "report.html"]);
});

test("the demo's report takes less than four seconds of processor time, imports included", async (t) => {
  const directory = await folder(t);
  const here = (path: string): string => JSON.stringify(fileURLToPath(new URL(path, import.meta.url)));
  const script = `
    const { sampleReport } = await import(${here("./report-sample.js")});
    const { writeReport } = await import(${here("../../../coordinator/results/report/write-report.js")});
    await writeReport(process.argv[1], sampleReport());
    const { user, system } = process.cpuUsage();
    console.log((user + system) / 1e6);`;
  const args = ["--input-type=module", "--eval", script, directory];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 });
  t.diagnostic(`${stdout.trim()} s`);
  assert.ok(Number(stdout) < 4, `${stdout.trim()} s`);
});
