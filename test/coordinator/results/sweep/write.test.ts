import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { writeSweepResultsAside } from "../../../../coordinator/results/sweep/results-thread.js";
import { writeSweepResults } from "../../../../coordinator/results/sweep/write.js";
import { ClusterError } from "../../../../shared/errors.js";
import { sampleSweep } from "./sample.js";

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "saf-sweep-results-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

const FILES = [
  ...["leaderboard.md", "report.html", "results.json"],
  ...["trials.csv", "trials.jsonl", "trials.parquet"],
];

test("the thread writes the same files as the caller would, and nothing else", async (t) => {
  const [here, aside] = [await folder(t), await folder(t)];
  const sweep = sampleSweep({ trials: 200 });

  await writeSweepResults(here, sweep);
  const written = await writeSweepResultsAside(aside, sweep);

  assert.deepEqual((await readdir(aside)).sort(), FILES);
  assert.equal(written.html, join(aside, "report.html"));
  for (const name of FILES)
    assert.deepEqual(await readFile(join(aside, name)), await readFile(join(here, name)), name);
});

test("the loop of whoever asks goes on while a sweep's results are written", async (t) => {
  const directory = await folder(t);
  const sweep = sampleSweep({ trials: 3_000 });
  const delay = monitorEventLoopDelay({ resolution: 5 });

  delay.enable();
  await writeSweepResultsAside(directory, sweep);
  delay.disable();

  // Making them takes seconds of computation; this is generous for handing them over.
  assert.ok(delay.max / 1e6 < 300, `${delay.max / 1e6} ms`);
});

test("a folder that cannot be written is a clear error, in the thread too", async (t) => {
  const file = join(await folder(t), "file");
  await writeFile(file, "");
  await assert.rejects(
    writeSweepResultsAside(join(file, "sweep"), sampleSweep({ trials: 3 })),
    (error: unknown) => error instanceof ClusterError && error.code === "storage",
  );
});
