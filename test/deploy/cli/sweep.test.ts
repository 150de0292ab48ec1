import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { SweepLine } from "../../../shared/records/sweep-line.js";
import { linesOf } from "../../support/cluster.js";
import { type SafRun, saf } from "../../support/saf.js";

const LIMIT = { timeout: 180_000 };

/** Made-up gradients: what is tested is the sweep, not the networks. */
const SPEC = `name: small
base:
  model: plain
  engine: emulated
  train: { batch_size: 32, slots: 1, max_steps: 12, evaluate_every_epochs: 0 }
  evaluate: { kinds: [clean] }
parameters:
  train.learning_rate: { choice: [0.001, 0.01, 0.1] }
  seed: { repeat: 2 }
search: { method: grid }
limits: { trials: 4 }
stopping: { method: asha, first_samples: 128, factor: 3 }
`;

/** Members take over from each other at 128 and at 256 images. */
const POPULATION = `name: population
base:
  model: plain
  engine: emulated
  train: { batch_size: 32, slots: 1, max_steps: 12, evaluate_every_epochs: 0 }
  evaluate: { kinds: [clean] }
parameters:
  train.learning_rate: { range: [0.001, 0.1], scale: log }
limits: { trials: 4 }
stopping: { method: population, first_samples: 128, factor: 2, exploit: 0.5 }
`;

const SMALL = ["-w", "2", "--compute-ms", "1"];

interface Results {
  name: string;
  interrupted: boolean;
  counts: Record<string, number>;
  trials: {
    trial: string;
    number: number;
    state: string;
    weights: string | null;
    parent?: { trial: string };
    values: object;
    rungs: object[];
  }[];
}

describe("a small sweep on this machine", () => {
  let home = "";
  const out = (): string => join(home, "runs", "small");
  const sweep = (...args: string[]): Promise<SafRun> => saf(["sweep", ...args], { cwd: home });
  const journal = (): SweepLine[] => linesOf(join(out(), "sweep.jsonl")) as SweepLine[];
  const countOf = (kind: SweepLine["kind"]): number => journal().filter((line) => line.kind === kind).length;

  before(async () => {
    home = await mkdtemp(join(tmpdir(), "saf-test-"));
    await writeFile(join(home, "sweep.yaml"), SPEC);
  });
  after(() => rm(home, { recursive: true, force: true }));

  test("a dry run says what it takes, and leaves nothing behind", LIMIT, async () => {
    const run = await sweep("run", "sweep.yaml", "--dry-run", "--json");
    assert.equal(run.code, 0, run.stderr);
    const plan = JSON.parse(run.stdout) as { trials: object; samples: number; seconds: null };
    assert.deepEqual(plan.trials, {
      ...{ planned: 4, there: 0, to_begin: 4 },
      ...{ in_place: 0, held_by: null, same_as_others: 0 },
    });
    // Four come to 128 images, the best of them to 384.
    assert.ok(plan.samples >= 4 * 128 + 256 && plan.samples < 4 * 384, String(plan.samples));
    assert.equal(plan.seconds, null);
    assert.equal(existsSync(join(home, "runs")), false);
  });

  test("`run` trains its trials, stops some early, and prints one document", LIMIT, async () => {
    const run = await sweep("run", "sweep.yaml", ...SMALL, "--json");
    assert.equal(run.code, 0, run.stderr);
    const document = JSON.parse(run.stdout) as Results;
    assert.deepEqual([document.name, document.interrupted], ["small", false]);
    assert.equal(document.trials.length, 4);
    assert.ok(document.trials.every(({ state }) => state === "done" || state === "stopped"));
    assert.ok(document.trials.some(({ state }) => state === "done"));
    assert.equal(countOf("trial"), 4);
    const tables = ["trials.csv", "trials.jsonl", "trials.parquet"];
    for (const name of ["sweep.yaml", "results.json", ...tables, "leaderboard.md", "report.html"])
      assert.ok(existsSync(join(out(), name)), name);
    assert.doesNotMatch(run.stderr, /\u001b|training plain/);
    assert.match(
      run.stderr.split("\n")[0] ?? "",
      /^sweep small: clean, the more the better \(the default: the file has no `objective`\); asha stops trials early by it$/,
    );
  });

  test("the same again starts nothing", LIMIT, async () => {
    const lines = journal().length;
    const again = await sweep("run", "sweep.yaml", "--json");
    assert.equal(again.code, 0, again.stderr);
    assert.equal(again.stderr, "nothing of it is missing\n");
    assert.equal((JSON.parse(again.stdout) as Results).trials.length, 4);
    assert.equal(journal().length, lines);
  });

  test("an extended one does what is missing; a trial that fails is told by exit code 6", LIMIT, async () => {
    const before = countOf("result");
    const impatient = ["--set", "trial.minutes=0.0001", "--set", "trial.attempts=1"];
    const run = await sweep("run", "sweep.yaml", ...SMALL, "--set", "limits.trials=5", ...impatient);
    assert.equal(run.code, 6, run.stderr);
    assert.match(run.stderr, /^retry {6}npx saf sweep retry --failed runs\/small$/m);
    assert.deepEqual([countOf("trial"), countOf("result"), countOf("failed")], [5, before, 1]);
  });

  test("`retry --failed` tries it again", LIMIT, async () => {
    const before = countOf("result");
    const run = await sweep("retry", "--failed", ...SMALL, "--set", "trial.minutes=10", "--json");
    assert.equal(run.code, 0, run.stderr);
    const { trials } = JSON.parse(run.stdout) as Results;
    assert.equal(trials.length, 5);
    assert.ok(trials.every(({ state }) => state === "done" || state === "stopped"));
    const added = countOf("result") - before;
    assert.ok(added >= 1 && added <= 3, `${added} results were added`);
  });

  test("a sweep that its trials belong to no more is refused, and says why", LIMIT, async () => {
    const lines = journal().length;
    const run = await sweep("run", "sweep.yaml", "--set", "base.train.momentum=0.5");
    assert.equal(run.code, 2);
    assert.match(run.stderr, /5 of 5 measured trials in runs\/small belong to this sweep no more/);
    assert.match(run.stderr, /--force/);
    const dry = await sweep("run", "sweep.yaml", "--set", "base.train.momentum=0.5", "--dry-run");
    assert.equal(dry.code, 0, dry.stderr);
    assert.match(
      dry.stdout,
      /^refused {2}5 of 5 measured trials in runs\/small belong to this sweep no more$/m,
    );
    assert.match(dry.stdout, /^ {9}--force goes on/m);
    assert.equal(journal().length, lines);
  });

  test("status, results and show read the folder, the newest where none is named", LIMIT, async () => {
    const status = JSON.parse((await sweep("status", "--json")).stdout) as {
      counts: Record<string, number>;
      process: null;
    };
    assert.equal(status.process, null);
    assert.equal(
      Object.values(status.counts).reduce((sum, count) => sum + count, 0),
      5,
    );
    const csv = await sweep("results", out(), "--format", "csv");
    assert.equal(csv.stdout.trim().split("\n").length, 6);
    const shown = await sweep("show", "#0", "--sweep", "small");
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, /^trial 0 {2}[0-9a-f]{16}$/m);
    assert.match(shown.stdout, /rung 0 +128 images/);
    assert.equal((await sweep("show", "ffffffffffff")).code, 2);
    const published = await saf(["report", out(), "--results", "published"], { cwd: home });
    assert.equal(published.stdout, "published/report.html\n", published.stderr);
    assert.ok(existsSync(join(home, "published", "leaderboard.md")));
  });

  test("a cancelled sweep is gone on with by `resume` alone", LIMIT, async () => {
    const lines = journal().length;
    const over = await sweep("cancel");
    assert.equal(over.code, 0, over.stderr);
    assert.match(over.stderr, /runs\/small is over: there is nothing to cancel/);
    assert.equal(journal().length, lines, "what is over is not marked");
    const spec = join(out(), "sweep.yaml");
    await writeFile(spec, readFileSync(spec, "utf8").replace(/trials: 5/, "trials: 6"));
    const cancelled = await sweep("cancel");
    assert.equal(cancelled.code, 0, cancelled.stderr);
    assert.equal(journal().at(-1)?.kind, "cancelled");
    const run = await sweep("run", "sweep.yaml");
    assert.equal(run.code, 2);
    assert.match(run.stderr, /was cancelled[^]*saf sweep resume runs\/small/);
    assert.equal((await sweep("retry", "--failed")).code, 2, "nothing has failed");
  });

  test("an engine of other bits does not go on with it", LIMIT, async () => {
    const file = join(out(), "engines.json");
    const recorded = readFileSync(file, "utf8");
    const engines = JSON.parse(recorded) as { engine: string; sample: string; workers: string[] }[];
    assert.deepEqual(
      engines.map(({ engine }) => engine),
      ["emulated"],
    );
    await writeFile(file, JSON.stringify(engines.map((one) => ({ ...one, sample: "0".repeat(64) }))));
    const more = ["--set", "limits.trials=6", "--set", "pool.wait_for_workers_ms=2000"];
    const run = await sweep("resume", ...SMALL, ...more);
    await writeFile(file, recorded);
    assert.equal(run.code, 5, run.stderr);
    assert.match(run.stderr, /other bits|same bits|computes/);
  });

  test(
    "`reproduce` retraces a trial of a population that took over another one's weights",
    LIMIT,
    async () => {
      await writeFile(join(home, "population.yaml"), POPULATION);
      const swept = await sweep("run", "population.yaml", ...SMALL, "--json");
      assert.equal(swept.code, 0, swept.stderr);
      const { trials } = JSON.parse(swept.stdout) as Results;
      const heirs = trials.filter(({ parent, rungs }) => parent !== undefined && rungs.length > 0);
      // One whose parent took over as well, if there is one.
      const heir = heirs.find(({ parent }) => heirs.some(({ trial }) => trial === parent?.trial)) ?? heirs[0];
      assert.ok(heir?.weights);
      const folder = join(home, "runs", "population");
      const again = ["reproduce", heir.trial, "--sweep", folder, "--out", join(home, "again")];
      const run = await saf([...again, "-w", "2", "--compute-ms", "1", "--json"], { cwd: home });
      assert.equal(run.code, 0, run.stderr);
      const { reproduced } = JSON.parse(run.stdout) as {
        reproduced: { same: boolean; got: string; lineage: { trial: string; same: boolean }[] };
      };
      assert.deepEqual([reproduced.same, reproduced.got], [true, heir.weights]);
      assert.equal(reproduced.lineage.at(-1)?.trial, heir.parent?.trial);
      assert.ok(reproduced.lineage.every(({ same }) => same));
    },
  );

  test("`reproduce` trains a trial again to the same weights", LIMIT, async () => {
    const { trials } = JSON.parse(readFileSync(join(out(), "results.json"), "utf8")) as Results;
    const best = trials.find(({ state }) => state === "done");
    assert.ok(best?.weights);
    const run = await saf(
      ["reproduce", best.trial.slice(0, 8), "--sweep", out(), "-w", "1", "--compute-ms", "1", "--json"],
      { cwd: home },
    );
    assert.equal(run.code, 0, run.stderr);
    const { reproduced } = JSON.parse(run.stdout) as { reproduced: Record<string, unknown> };
    assert.deepEqual([reproduced["same"], reproduced["expected"]], [true, best.weights]);
  });
});
