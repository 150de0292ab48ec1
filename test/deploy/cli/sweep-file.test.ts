import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { loadSweep, sweepText } from "../../../deploy/cli/sweep-file.js";
import { ClusterError } from "../../../shared/errors.js";

async function folderWith(t: TestContext, files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "saf-sweep-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

/** Lines of the refusal of `sweep.yaml`, paths cut to what is below the folder. */
async function refusal(t: TestContext, files: Record<string, string>, set: string[] = []): Promise<string[]> {
  const folder = await folderWith(t, files);
  const error = await loadSweep(join(folder, "sweep.yaml"), set).then(
    () => assert.fail("it was accepted"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ClusterError, String(error));
  assert.equal(error.exitCode, 2);
  assert.match(error.hint ?? "", /config schema sweep/);
  return error.message.split("\n").map((line) => line.replaceAll(`${folder}/`, ""));
}

const RATES = "parameters:\n  train.learning_rate: { range: [0.001, 0.1], scale: log }\n";

test("a base file is taken from the sweep's own folder, and put into the sweep", async (t) => {
  const folder = await folderWith(t, {
    "sweeps/sweep.yaml": `name: rates\nbase: ../runs/plain.yaml\n${RATES}`,
    "runs/plain.yaml": "model: plain\ntrain:\n  epochs: 2\nevaluate:\n",
  });
  const { spec, space } = await loadSweep(join(folder, "sweeps/sweep.yaml"), [
    "base.train.batch_size=50",
    "limits.trials=4",
  ]);
  assert.deepEqual(JSON.parse(JSON.stringify(spec.base)), {
    model: "plain",
    train: { epochs: 2, batch_size: 50 },
    evaluate: {},
  });
  assert.equal(space.base.model, "plain");
  assert.equal(space.base.train.batch_size, 50);
});

test("its text loads to the same sweep somewhere else", async (t) => {
  const folder = await folderWith(t, {
    "sweep.yaml": `name: rates\nbase: plain.yaml\n${RATES}stopping: { method: asha, first_samples: 1000 }\n`,
    "plain.yaml": "model: plain\ntrain: { learning_rate: 0.02 }\n",
  });
  const { spec } = await loadSweep(join(folder, "sweep.yaml"), ["limits.trials=4"]);
  assert.equal(spec.limits.trials, 4);
  const elsewhere = await folderWith(t, { "copy.yaml": sweepText(spec) });
  const again = await loadSweep(join(elsewhere, "copy.yaml"));
  assert.deepEqual(JSON.parse(JSON.stringify(again.spec)), JSON.parse(JSON.stringify(spec)));
});

test("--set reaches into a parameter, whose path is one key", async (t) => {
  const folder = await folderWith(t, { "sweep.yaml": `name: a\n${RATES}limits: { trials: 2 }\n` });
  const { spec } = await loadSweep(join(folder, "sweep.yaml"), [
    "parameters.train.learning_rate.range=[0.01, 0.02]",
    "parameters.train.batch_size={ choice: [50, 100] }",
  ]);
  assert.deepEqual(JSON.parse(JSON.stringify(spec.parameters)), {
    "train.learning_rate": { range: [0.01, 0.02], scale: "log", type: "float" },
    "train.batch_size": { choice: [50, 100] },
  });
});

test("--set KEY=null takes away what the file says, so that the default acts", async (t) => {
  const folder = await folderWith(t, {
    "sweep.yaml": [
      "name: a",
      "base: { model: plain, seed: 7, train: { epochs: 3 }, evaluate: { images: 60 } }",
      "parameters: { train.batch_size: { choice: [50, 100] }, train.momentum: { choice: [0.5, 0.9] } }",
      "stopping: { method: asha, first_samples: 1000, evaluate: { images: 10 } }",
      "limits: { trials: 2, hours: 3 }",
      "constraints: [clean >= 0.9]",
    ].join("\n"),
  });
  const loaded = async (...set: string[]) =>
    JSON.parse(JSON.stringify((await loadSweep(join(folder, "sweep.yaml"), set)).spec)) as Record<
      string,
      unknown
    >;
  const whole = await loaded();
  for (const section of ["stopping", "constraints", "limits"]) {
    const { [section]: expected } = await loadedWithout(section);
    assert.deepEqual((await loaded(`${section}=null`))[section], expected, section);
  }
  assert.deepEqual((await loaded("limits.hours=null"))["limits"], { trials: 2 });
  assert.deepEqual((await loaded("limits={hours: null, trials: 3}"))["limits"], { trials: 3 });
  assert.equal("evaluate" in ((await loaded("stopping.evaluate=~"))["stopping"] as object), false);
  assert.deepEqual((await loaded("parameters.train.momentum=null"))["parameters"], {
    "train.batch_size": { choice: [50, 100] },
  });
  assert.deepEqual((await loaded("base.train=null", "base.evaluate.images=null"))["base"], {
    model: "plain",
    seed: 7,
    evaluate: {},
  });
  assert.deepEqual((await loaded("limits=null", "limits.trials=5"))["limits"], { trials: 5 });
  assert.deepEqual(await loaded("search=null", "priority=null"), whole, "what is not there is none the less");
  const early = (await loaded("stopping.evaluate.images=null"))["stopping"] as { evaluate: object };
  assert.deepEqual(early.evaluate, { images: null }, "it is taken away at low rungs");

  async function loadedWithout(section: string): Promise<Record<string, unknown>> {
    const text = await readFile(join(folder, "sweep.yaml"), "utf8");
    const rest = text.split("\n").filter((line) => !line.startsWith(section));
    await writeFile(join(folder, "rest.yaml"), rest.join("\n"));
    return JSON.parse(JSON.stringify((await loadSweep(join(folder, "rest.yaml"))).spec)) as Record<
      string,
      unknown
    >;
  }
});

test("--set KEY=null is refused where there is no such key, or nothing acts without it", async (t) => {
  const file = { "sweep.yaml": `name: a\n${RATES}limits: { trials: 2 }\n` };
  assert.match(
    (await refusal(t, file, ["stoping=null"])).join("\n"),
    /--set stoping: unknown key "stoping" — did you mean "stopping"\?/,
  );
  assert.match((await refusal(t, file, ["base.train.epocs=null"])).join("\n"), /unknown key "epocs"/);
  assert.match((await refusal(t, file, ["name=null"])).join("\n"), /name: .*missing/);
  assert.match((await refusal(t, file, ["limits.trials=null"])).join("\n"), /never ends by itself/);
  assert.match((await refusal(t, file, ["limits.trials="])).join("\n"), /limits\.trials/);
});

test("an unknown key is refused with its place and a suggestion, in the sweep and in a parameter", async (t) => {
  assert.deepEqual(await refusal(t, { "sweep.yaml": `name: a\nobjectiv: clean\n${RATES}` }), [
    'sweep.yaml:2:1: unknown key "objectiv" — did you mean "objective"?',
  ]);
  const [line] = await refusal(t, {
    "sweep.yaml": "name: a\nparameters:\n  train.momentum: { range: [0.5, 0.9], scal: log }\n",
  });
  assert.equal(line, 'sweep.yaml:3:40: unknown key "scal" — did you mean "scale"?');
});

test("what is wrong in the base's file is said with the place there", async (t) => {
  assert.deepEqual(
    await refusal(t, {
      "sweep.yaml": `name: a\nbase: base.yaml\n${RATES}`,
      "base.yaml": "model: plain\ntrain:\n  epocs: 3\n",
    }),
    ['base.yaml:3:3: unknown key "epocs" — did you mean "epochs"?'],
  );
  const [model] = await refusal(t, {
    "sweep.yaml": `name: a\nbase: { model: mrelo }\n${RATES}`,
  });
  assert.match(model ?? "", /^sweep\.yaml:2:16: model: expected one of .*did you mean "mrelu"\?$/);
});

test("a setting of the pool does not belong into a base", async (t) => {
  const [line] = await refusal(t, { "sweep.yaml": `name: a\nbase:\n  workers: 3\n${RATES}` });
  assert.match(line ?? "", /^sweep\.yaml:3:3: workers is a setting of the pool/);
});

test("a base that is not there is said where it is named", async (t) => {
  assert.deepEqual(await refusal(t, { "sweep.yaml": `name: a\nbase: nowhere.yaml\n${RATES}` }), [
    "sweep.yaml:2:7: base: nowhere.yaml: no such file",
  ]);
});

test("problems of the space are said where they were written", async (t) => {
  const [empty] = await refusal(t, {
    "sweep.yaml": "name: a\nparameters:\n  train.learning_rate: { range: [0.1, 0.01] }\n",
  });
  assert.match(empty ?? "", /^sweep\.yaml:3:\d+: parameters\.train\.learning_rate/);
  const [unknown] = await refusal(t, {
    "sweep.yaml": "name: a\nparameters:\n  train.learning_rte: { range: [0.01, 0.1] }\n",
  });
  assert.match(
    unknown ?? "",
    /^sweep\.yaml:3:\d+: parameters\.train\.learning_rte.*did you mean "train\.learning_rate"\?/,
  );
  const [metric] = await refusal(t, {
    "sweep.yaml": `name: a\n${RATES}limits: { trials: 3 }\nobjective: area(pgd-40)\n`,
  });
  assert.match(metric ?? "", /^sweep\.yaml:5:12: objective/);
});

test("what is said nowhere is missed in the file, not in a flag", async (t) => {
  assert.deepEqual(await refusal(t, { "sweep.yaml": `name: a\n${RATES}` }, ["base.seed=3"]), [
    "sweep.yaml:1:1: limits: the search never ends by itself: give trials, hours or samples",
  ]);
});

test("a billion points of a grid are refused with their number", async (t) => {
  const thousand = `[${Array.from({ length: 1000 }, (_, i) => (i + 1) / 10_000).join(", ")}]`;
  const [line] = await refusal(t, {
    "sweep.yaml": [
      "name: a",
      "parameters:",
      ...["train.learning_rate", "train.momentum", "train.weight_decay"].map(
        (path) => `  ${path}: { grid: ${thousand} }`,
      ),
    ].join("\n"),
  });
  assert.match(line ?? "", /1,?000,?000,?000/);
});

test("a name, and a key that is no path, are asked for in words", async (t) => {
  assert.match((await refusal(t, { "sweep.yaml": RATES })).join("\n"), /sweep\.yaml:1:1: name: .*missing/);
  const [line] = await refusal(t, { "sweep.yaml": "name: a\nparameters:\n  Train-Rate: { grid: [1] }\n" });
  assert.equal(
    line,
    'sweep.yaml:3:3: "Train-Rate": expected the path of a setting, as in train.learning_rate',
  );
});

test("a list of another length, a range of whole numbers and two ways at once are said in one line each", async (t) => {
  const parameter = async (path: string, said: string): Promise<string[]> =>
    refusal(t, { "sweep.yaml": `name: a\nparameters:\n  ${path}: ${said}\nlimits: { trials: 3 }\n` });
  assert.deepEqual(await parameter("train.learning_rate", "{ range: [0.1, 0.2, 0.3] }"), [
    "sweep.yaml:3:33: parameters.train.learning_rate.range: expected a list of 2 numbers, got [0.1, 0.2, 0.3]",
  ]);
  const [whole, ...more] = await parameter("train.batch_size", "{ range: [50, 200] }");
  assert.match(whole ?? "", /^sweep\.yaml:3:\d+: .*train\.batch_size takes whole numbers: add type: int$/);
  assert.deepEqual(more, []);
  assert.equal((await parameter("train.batch_size", "{ range: [-2.5, -1.5] }")).length <= 2, true);
  const [both, ...others] = await parameter("train.batch_size", "{ range: [50, 200], choice: [50] }");
  assert.match(both ?? "", /, got a map of range, choice$/);
  assert.deepEqual(others, []);
});

test("a run's file is told to be one", async (t) => {
  assert.deepEqual(
    await refusal(t, { "sweep.yaml": "name: a\nmodel: plain\ntrain: { epochs: 3 }\nseed: 2\n" }),
    [
      "sweep.yaml:1:1: this is a run, which `saf train` trains; a sweep has such settings below `base`, and `parameters` or `list`",
    ],
  );
});
