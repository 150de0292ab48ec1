import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { assertWellFormed } from "../../coordinator/results/report-page-checks.js";
import { saf } from "../../support/saf.js";

const LIMIT = { timeout: 120_000 };
const SMALL = ["--dimension", "6", "--units", "16", "--blocks", "3", "--points", "60", "--seed", "5"];

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "saf-theory-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

test("`reproduce theory` writes page, pictures and numbers, the same for the same seed", LIMIT, async (t) => {
  const out = await folder(t);
  const run = await saf(["reproduce", "theory", ...SMALL, "--out", join(out, "a"), "--json"]);
  assert.equal(run.code, 0, run.stderr);
  const told = JSON.parse(run.stdout) as {
    settings: { dimension: number };
    errors: { unit: string; units: number; error: number }[];
  };
  assert.equal(told.settings.dimension, 6);
  assert.deepEqual(
    told.errors.map(({ unit, units }) => `${unit} ${units}`),
    ["mrelu", "rbf"].flatMap((unit) => [1, 2, 4, 8, 16].map((units) => `${unit} ${units}`)),
  );
  assert.deepEqual(JSON.parse(await readFile(join(out, "a", "theory.json"), "utf8")), told);
  for (const file of ["theory.svg", "theory.png", "plots/rays-rbf.svg", "plots/plane-mrelu.png"])
    assert.ok((await stat(join(out, "a", file))).size > 1000, file);
  const page = await readFile(join(out, "a", "theory.html"), "utf8");
  assertWellFormed(page);
  assert.equal(/https?:|<script|<link|@import|url\(/i.exec(page)?.[0], undefined);

  const again = await saf(["reproduce", "theory", ...SMALL, "--out", join(out, "b")]);
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stdout, /error falls as units\^-0\.\d\d \(mReLU\)/);
  const csv = async (name: string): Promise<string> => readFile(join(out, name, "theory.csv"), "utf8");
  assert.equal(await csv("a"), await csv("b"));
});

test("`reproduce theory` refuses what makes no ball", LIMIT, async (t) => {
  const out = await folder(t);
  for (const wrong of [
    ["--dimension", "1"],
    ["--units", "0"],
    ["--shell", "1"],
    ["--seed", "-1"],
  ]) {
    const run = await saf(["reproduce", "theory", "--out", out, ...wrong]);
    assert.equal(run.code, 2, wrong.join(" "));
    assert.match(run.stderr, /Expected a (whole )?number/);
  }
});
