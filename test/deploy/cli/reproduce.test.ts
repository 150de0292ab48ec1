import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { ResultsDocument } from "../../../coordinator/runs/results-document.js";
import { networkNames } from "../../../shared/networks/registry.js";
import { type Reproduction, membersOf, paperModels } from "../../../shared/reproduction.js";
import { checkpointOf, ledgerOf, linesOf, temporaryDirectory } from "../../support/cluster.js";
import { saf } from "../../support/saf.js";

const LIMIT = { timeout: 240_000 };
const MODELS = ["plain", "rbf-r"];
/** 0.02 epochs of 60,000 images are 12 steps of 100. */
const STEPS = 12;
const SMALL = [
  ...["--epochs", "0.02", "--images", "100", "-w", "2"],
  ...["--set", "evaluate.strengths=[0, 0.25]", "--set", "evaluate.attack_batch=50"],
  ...["--set", "evaluate.clean_images=500"],
];

function overviewOf(out: string): Reproduction {
  return JSON.parse(readFileSync(join(out, "reproduction.json"), "utf8")) as Reproduction;
}

function statesOf(out: string): Record<string, string> {
  return Object.fromEntries(overviewOf(out).members.map(({ name, state }) => [name, state]));
}

test("the paper's networks are its three families with its flags, in its order", () => {
  const mnist = paperModels("mnist");
  for (const name of ["plain", "plain-r-m", "mrelu", "mrelu-r-m", "rbf", "rbf-r-m"])
    assert.ok(mnist.includes(name));
  assert.deepEqual(
    mnist.map((name) => name.split("-")[0]).filter((family, i, all) => family !== all[i - 1]),
    ["plain", "mrelu", "rbf"],
  );
  assert.ok(mnist.every((name) => networkNames().includes(name)));
  assert.deepEqual(paperModels("cifar10"), ["plain", "plain-r-m", "mrelu", "mrelu-r-m", "rbf", "rbf-r-m"]);
});

test("members are named by their model, and by their seed where it is not the first", () => {
  assert.deepEqual(
    membersOf(["plain", "rbf"], [0, 3]).map(({ name, model, seed }) => [name, model, seed]),
    [
      ["plain", "plain", 0],
      ["rbf", "rbf", 0],
      ["plain-seed3", "plain", 3],
      ["rbf-seed3", "rbf", 3],
    ],
  );
});

describe("a small reproduction", () => {
  let home = "";
  let out = "";
  before(async () => {
    home = await mkdtemp(join(tmpdir(), "saf-test-"));
    out = join(home, "reproduction");
  });
  after(() => rm(home, { recursive: true, force: true }));

  test("stops at Ctrl-C with exit code 130 and says how to go on", LIMIT, async () => {
    let interrupted = false;
    const run = await saf(
      // Long enough to be stopped while it trains.
      ["reproduce", "mnist", "--models", MODELS.join(), "--out", out, ...SMALL, "--epochs", "5"],
      {
        cwd: home,
        onWords: (stderr, child) => {
          if (interrupted || !/^\[.*\] training \S+: .*, step \d+ of 3000/m.test(stderr)) return;
          interrupted = true;
          child.kill("SIGINT");
        },
      },
    );
    assert.ok(interrupted, run.stderr);
    assert.equal(run.code, 130, run.stderr);
    assert.match(
      run.stderr,
      /go on with npx saf reproduce mnist --models plain,rbf-r .*--out reproduction$/m,
    );
    assert.deepEqual([...new Set(Object.values(statesOf(out)))], ["interrupted"]);
    for (const model of MODELS) {
      const { step } = checkpointOf(join(out, model));
      assert.ok(step > 0 && step < 3000);
      assert.equal(ledgerOf(join(out, model)).length, step);
    }
  });

  test("trains and measures each network, and prints one document", LIMIT, async () => {
    const folder = join(home, "whole");
    const run = await saf(
      ["reproduce", "mnist", "--models", MODELS.join(), "--out", folder, ...SMALL, "--json"],
      {
        cwd: home,
      },
    );
    assert.equal(run.code, 0, run.stderr);
    assert.ok(!existsSync(join(home, "latest")), "beside a folder that was named, nothing is ours");
    const document = JSON.parse(run.stdout) as ResultsDocument;
    assert.deepEqual(
      document.models.map(({ name }) => name),
      MODELS,
    );
    assert.deepEqual(document.failed, {});
    assert.ok(existsSync(document.report ?? ""));
    for (const model of MODELS) {
      const directory = join(folder, model);
      assert.deepEqual(checkpointOf(directory), { step: STEPS, sha256: document.weights_sha256[model] });
      assert.deepEqual(
        ledgerOf(directory).map(({ step, samples, blocks }) => ({ step, samples, slots: blocks[0]?.slots })),
        Array.from({ length: STEPS }, (_, step) => ({ step, samples: 100, slots: [0, 1] })),
      );
      for (const name of [
        ...["result.json", "metrics.jsonl", "eval/results.jsonl", "config.yaml", "env.json"],
        "report.html",
      ])
        assert.ok(existsSync(join(directory, name)), name);
    }
    const overview = overviewOf(folder);
    assert.deepEqual(
      {
        ...overview,
        begun: "",
        updated: "",
        environment: Object.keys(overview.environment).includes("processor"),
      },
      {
        dataset: "mnist",
        models: MODELS,
        seeds: [0],
        epochs: 0.02,
        images: 100,
        settings: ["evaluate.strengths=[0, 0.25]", "evaluate.attack_batch=50", "evaluate.clean_images=500"],
        command:
          "npx saf reproduce mnist --models plain,rbf-r --epochs 0.02 --images 100 --set 'evaluate.strengths=[0, 0.25]' --set evaluate.attack_batch=50 --set evaluate.clean_images=500 --out whole",
        begun: "",
        updated: "",
        environment: true,
        members: MODELS.map((name) => ({
          name,
          model: name,
          seed: 0,
          state: "done",
          step: STEPS,
          steps: STEPS,
          error: null,
        })),
      },
    );
  });

  test(
    "goes on with its own settings; what is done is not done again, what fails does not stop the others",
    LIMIT,
    async () => {
      const folder = join(home, "whole");
      const tasks = readFileSync(join(folder, "plain", "eval", "results.jsonl"), "utf8");
      const trained = statSync(
        join(folder, "plain", "checkpoints", "step-00000012", "model.safetensors"),
      ).mtimeMs;
      // A file where the folder of a run should be.
      await writeFile(join(folder, "mrelu"), "");

      const run = await saf(
        ["reproduce", "mnist", "--models", "plain,mrelu,rbf", "--out", folder, "-w", "1"],
        {
          cwd: home,
        },
      );

      assert.equal(run.code, 6, run.stderr);
      assert.match(run.stderr, /^failed {5}mrelu: Cannot create the run directory/m);
      assert.match(run.stderr, /^plain: Resuming at step 12 of 12$/m);
      assert.match(run.stderr, /^plain: done$/m);
      assert.match(run.stdout, /^plain /m);
      assert.match(run.stdout, /^rbf /m);
      assert.deepEqual(statesOf(folder), { plain: "done", mrelu: "failed", rbf: "done" });
      assert.deepEqual([overviewOf(folder).epochs, overviewOf(folder).images], [0.02, 100]);
      assert.equal(checkpointOf(join(folder, "rbf")).step, STEPS);
      assert.equal(readFileSync(join(folder, "plain", "eval", "results.jsonl"), "utf8"), tasks);
      assert.equal(
        statSync(join(folder, "plain", "checkpoints", "step-00000012", "model.safetensors")).mtimeMs,
        trained,
      );
      assert.equal(linesOf(join(folder, "plain", "ledger.jsonl")).length, STEPS);
    },
  );
});

test(
  "the modern evaluation attacks each network from another one, though that one is trained after it",
  LIMIT,
  async (t) => {
    const home = await temporaryDirectory(t);
    const out = join(home, "modern");
    const run = await saf(
      [
        ...["reproduce", "mnist", "--models", MODELS.join(), "--out", out, "--json", "-w", "1"],
        ...["--epochs", "0.02", "--images", "10", "--set", "evaluate.protocol=modern"],
        ...[
          "--set",
          "evaluate.strengths=[0.1]",
          "--set",
          "evaluate.features=false",
          "--set",
          "evaluate.clean_images=500",
        ],
        ...["--set", "evaluate.attacks=[pgd-3, { attack: transfer, options: { steps: 3 } }]"],
      ],
      { cwd: home },
    );

    assert.equal(run.code, 0, run.stderr);
    const { models } = JSON.parse(run.stdout) as ResultsDocument;
    assert.deepEqual(
      models.map(({ name, curves }) => [
        name,
        curves.flatMap(({ attack }) => (attack?.startsWith("transfer") === true ? [attack] : [])),
      ]),
      [
        ["plain", ["transfer-from-rbf-r"]],
        ["rbf-r", ["transfer-from-plain"]],
      ],
    );
    assert.ok(models.every(({ checks }) => !/transfer was not run/.test(checks?.[2]?.detail ?? "")));
    assert.deepEqual(statesOf(out), { plain: "done", "rbf-r": "done" });
  },
);

describe("nothing is started", () => {
  const wrong: [string, string[], RegExp][] = [
    ["for an unknown data set", ["svhn"], /Cannot reproduce "svhn": expected mnist or cifar10/],
    ["for an unknown network", ["mnist", "--models", "plain,mrelo"], /mrelo.*did you mean .*mrelu/],
    ["for a network named twice", ["mnist", "--models", "plain,plain"], /names of different networks/],
    ["for seeds that are none", ["mnist", "--seeds", "0,x"], /different whole numbers/],
    ["for no epochs at all", ["mnist", "--epochs", "0"], /number above 0/],
    [
      "for a setting that does not exist",
      ["mnist", "--set", "train.epocs=2"],
      /train\.epocs: unknown key .* did you mean "epochs"/,
    ],
  ];
  for (const [what, args, message] of wrong) {
    test(`${what}: exit code 2`, async () => {
      const run = await saf(["reproduce", ...args, "--out", "never"]);
      assert.equal(run.code, 2, run.stderr);
      assert.match(run.stderr, message);
      assert.equal(existsSync("never"), false);
    });
  }
});
