import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, after, before, describe, test } from "node:test";
import type { ResultsDocument } from "../../../coordinator/runs/results-document.js";
import { attackNames } from "../../../shared/attacks.js";
import { initialParameters } from "../../../shared/core/layout.js";
import { type NamedTensor, encodeSafetensors } from "../../../shared/core/safetensors.js";
import { layoutOf } from "../../../shared/networks/network.js";
import { networkNamed } from "../../../shared/networks/registry.js";
import { temporaryDirectory } from "../../support/cluster.js";
import { type SafRun, saf } from "../../support/saf.js";
import { hashOf } from "../../../shared/io/hash.js";
import { tensorsOf } from "../../../shared/records/checkpoint.js";

const LIMIT = { timeout: 180_000 };
const MODEL = "mrelu";
const layout = layoutOf(networkNamed("mnist", MODEL));
const parameters = initialParameters(layout, 5);

/** What `saf` itself says on stderr: one line, perhaps with a hint below it. */
function errorLine({ stdout, stderr }: SafRun): string {
  assert.equal(stdout, "");
  assert.doesNotMatch(stderr, /\n\s+at /, "a stack is for --debug");
  const lines = stderr.split("\n").filter((line) => /^(saf|error): /.test(line));
  assert.equal(lines.length, 1, stderr);
  return lines[0] as string;
}

/** A folder with a weights file made of our tensors, changed. */
async function weightsFile(
  t: TestContext,
  change: (tensors: NamedTensor[]) => NamedTensor[] = (tensors) => tensors,
  metadata: Record<string, string> = {},
): Promise<string> {
  return writeWeights(await temporaryDirectory(t), change, metadata);
}

async function writeWeights(
  folder: string,
  change: (tensors: NamedTensor[]) => NamedTensor[] = (tensors) => tensors,
  metadata: Record<string, string> = {},
): Promise<string> {
  const copies = tensorsOf(layout, parameters).map((tensor) => ({
    ...tensor,
    values: tensor.values.slice(),
  }));
  await writeFile(
    join(folder, "weights.safetensors"),
    encodeSafetensors({ tensors: change(copies), metadata }),
  );
  return folder;
}

/** Nothing is begun: no run directory. */
async function refused(folder: string, args: readonly string[]): Promise<SafRun> {
  const before = await readdir(folder);
  const run = await saf(["evaluate", ...args], { cwd: folder });
  assert.deepEqual(await readdir(folder), before);
  return run;
}

const FEW_CLEAN = ["--set", "evaluate.clean_images=500"];
const FOREIGN = ["--weights", "weights.safetensors", "--model", MODEL];
const MODERN = [...FOREIGN, "--protocol", "modern"];
const change =
  (name: string, by: (tensor: NamedTensor) => NamedTensor) =>
  (tensors: NamedTensor[]): NamedTensor[] =>
    tensors.map((tensor) => (tensor.name === name ? by(tensor) : tensor));

describe("weights are refused before anything is begun", () => {
  test("of another shape: which tensor, expected and found", LIMIT, async (t) => {
    const folder = await weightsFile(
      t,
      change("fc/weight", (tensor) => ({
        ...tensor,
        shape: [1, 1, 500, 12],
        values: new Float32Array(6000),
      })),
    );
    const run = await refused(folder, FOREIGN);
    assert.equal(run.code, 2);
    assert.match(
      errorLine(run),
      /weights\.safetensors: tensor "fc\/weight" has shape \[1, 1, 500, 12\], expected \[1, 1, 500, 10\]/,
    );
  });

  test("without a tensor that the network needs: which, and all that it needs", LIMIT, async (t) => {
    const folder = await weightsFile(t, (tensors) => tensors.filter(({ name }) => name !== "bn2/mean"));
    const run = await refused(folder, FOREIGN);
    assert.equal(run.code, 2);
    assert.match(errorLine(run), /has no tensor "bn2\/mean" of shape \[50\], as model "mrelu" needs it/);
    assert.match(run.stderr, /tensors: conv1\/weight \[5, 5, 1, 20\], /);
  });

  test("with a tensor that the network has no place for", LIMIT, async (t) => {
    const folder = await weightsFile(t, (tensors) => [
      ...tensors,
      { name: "fc2/weight", shape: [3], values: new Float32Array(3) },
    ]);
    const run = await refused(folder, FOREIGN);
    assert.equal(run.code, 2);
    assert.match(errorLine(run), /"mrelu" has no place for tensor "fc2\/weight" of shape \[3\]/);
  });

  for (const value of [NaN, Infinity]) {
    test(`with ${value} in it: where`, LIMIT, async (t) => {
      const folder = await weightsFile(
        t,
        change("conv2/bias", (tensor) => ({ ...tensor, values: tensor.values.fill(value, 7, 8) })),
      );
      const run = await refused(folder, FOREIGN);
      assert.equal(run.code, 3);
      assert.match(errorLine(run), new RegExp(`tensor "conv2/bias" holds ${value} at position 7`));
    });
  }

  test("of a network with settings that its tensors do not have", LIMIT, async (t) => {
    const network_settings = JSON.stringify({ channels: [20, 50, 400] });
    const run = await refused(await weightsFile(t, undefined, { network_settings }), FOREIGN);
    assert.equal(run.code, 2);
    assert.match(
      errorLine(run),
      /tensor "conv3\/weight" has shape \[4, 4, 50, 500\], expected \[4, 4, 50, 400\]/,
    );
  });

  test("of an optimizer", LIMIT, async (t) => {
    const run = await refused(await weightsFile(t, undefined, { what: "momentum" }), FOREIGN);
    assert.equal(run.code, 3);
    assert.match(errorLine(run), /holds an optimizer's momentum, not weights/);
  });

  test("that are no safetensors file, or are not there", LIMIT, async (t) => {
    const folder = await weightsFile(t);
    await writeFile(join(folder, "weights.safetensors"), "nothing of the kind");
    const damaged = await refused(folder, FOREIGN);
    assert.equal(damaged.code, 3);
    assert.match(errorLine(damaged), /Cannot read weights\.safetensors: its header claims/);
    const missing = await refused(folder, ["--weights", "nowhere.safetensors", "--model", MODEL]);
    assert.equal(missing.code, 3);
    assert.match(errorLine(missing), /Cannot read the weights file nowhere\.safetensors/);
  });
});

describe("an evaluation that makes no sense is refused before anything is begun", () => {
  const cases: { what: string; args: string[]; says: RegExp; hint?: RegExp; code?: number }[] = [
    {
      what: "an unknown attack",
      args: [...FOREIGN, "--protocol", "modern", "--attacks", "pgd-40,pdg"],
      says: /Unknown attack "pdg": did you mean "pgd"\?/,
      hint: new RegExp(`attacks: ${attackNames().slice(0, 3).join(", ")}`),
    },
    {
      what: "an unknown norm",
      args: [...FOREIGN, "--protocol", "modern", "--attacks", "pgd@l1"],
      says: /Unknown norm in attack "pgd@l1": expected @linf or @l2/,
    },
    {
      what: "a norm that an attack does not know",
      args: [...FOREIGN, "--protocol", "modern", "--attacks", "ddn@linf"],
      says: /Attack "ddn" knows no norm linf: expected l2/,
    },
    {
      what: "an option that an attack does not know",
      args: [
        ...FOREIGN,
        "--set",
        "evaluate.protocol=modern",
        "--set",
        "evaluate.attacks=[{ attack: pgd, options: { stepz: 3 } }]",
      ],
      says: /attack "pgd": .*stepz/,
    },
    {
      what: "an unknown model",
      args: ["--weights", "weights.safetensors", "--model", "mrelo"],
      says: /expected one of plain, .* did you mean "mrelu"\?/,
    },
    { what: "an unknown protocol", args: [...FOREIGN, "--protocol", "papre"], says: /evaluate\.protocol/ },
    { what: "a strength above 1", args: [...FOREIGN, "--strengths", "0.1,1.5"], says: /evaluate\.strengths/ },
    { what: "a negative strength", args: [...FOREIGN, "--strengths", "-0.1"], says: /evaluate\.strengths/ },
    {
      what: "strengths that do not rise",
      args: [...FOREIGN, "--strengths", "0.2,0.1"],
      says: /strengths must increase/,
    },
    {
      what: "a transfer attack without a second network",
      args: [...FOREIGN, "--protocol", "modern", "--attacks", "transfer"],
      says: /Attack "transfer" needs a second network to craft on/,
      hint: /--transfer-from/,
    },
    {
      what: "a second network that no protocol uses",
      args: [...FOREIGN, "--transfer-from", `weights.safetensors:${MODEL}`],
      says: /of the modern protocol, which is not asked for/,
    },
    {
      what: "a second network that is not there",
      args: [...MODERN, "--transfer-from", "nowhere"],
      says: /There is no second network .*nowhere/,
      code: 3,
    },
    {
      what: "a second network whose weights do not fit its model",
      args: [...MODERN, "--transfer-from", "weights.safetensors:mrelu-r-m"],
      says: /tensor "fc\/weight" has shape .* as model "mrelu-r-m" needs it/,
    },
    {
      what: "a second network of no known model",
      args: [...MODERN, "--transfer-from", "weights.safetensors"],
      says: /does not say which network it is for/,
    },
    { what: "no images", args: [...FOREIGN, "--images", "0"], says: /evaluate\.images/ },
    { what: "no model", args: ["--weights", "weights.safetensors"], says: /--weights needs --model/ },
    { what: "a run and weights", args: ["somewhere", ...FOREIGN], says: /give one of them/ },
    { what: "nothing to measure", args: [], says: /missing required argument 'run'/ },
  ];
  for (const { what, args, says, hint, code = 2 } of cases) {
    test(what, LIMIT, async (t) => {
      const run = await refused(await weightsFile(t), args);
      assert.equal(run.code, code, run.stderr);
      assert.match(errorLine(run), says);
      if (hint !== undefined) assert.match(run.stderr, hint);
    });
  }
});

test("`evaluate --list-attacks` names every attack", LIMIT, async () => {
  const table = await saf(["evaluate", "--list-attacks"]);
  assert.equal(table.code, 0, table.stderr);
  const json = await saf(["evaluate", "--list-attacks", "--json"]);
  const { attacks } = JSON.parse(json.stdout) as { attacks: { name: string; norms: string[] }[] };
  assert.deepEqual(
    attacks.map(({ name }) => name),
    attackNames(),
  );
  for (const { name } of attacks) assert.match(table.stdout, new RegExp(`^${name} `, "m"));
});

test("one network is attacked from another, and that one from the first", LIMIT, async (t) => {
  const folder = await weightsFile(t);
  const other = layoutOf(networkNamed("mnist", "plain"));
  await writeFile(
    join(folder, "plain.safetensors"),
    encodeSafetensors({
      tensors: tensorsOf(other, initialParameters(other, 6)),
      metadata: { model: "plain" },
    }),
  );
  const transferred = async (of: string[], from: string): Promise<ResultsDocument> => {
    const few = [
      "--protocol",
      "modern",
      "--attacks",
      "pgd-3,transfer",
      "--strengths",
      "0.3",
      "--images",
      "10",
    ];
    const args = [...of, ...few, ...FEW_CLEAN, "--transfer-from", from, "-w", "1", "--json"];
    const run = await saf(["evaluate", ...args], { cwd: folder });
    assert.equal(run.code, 0, run.stderr);
    return JSON.parse(run.stdout) as ResultsDocument;
  };
  const seriesOf = ({ models }: ResultsDocument): string[] =>
    (models[0]?.curves ?? []).map(({ attack }) => attack ?? "").filter((name) => name.startsWith("transfer"));

  const there = await transferred(FOREIGN, "plain.safetensors");
  assert.deepEqual(seriesOf(there), ["transfer-from-plain"]);
  assert.equal(there.models[0]?.checks?.[2]?.status, "passed");
  // The first one's run directory is a second network too.
  const back = await transferred(["--weights", "plain.safetensors", "--model", "plain"], there.directory);
  assert.deepEqual(seriesOf(back), [`transfer-from-${MODEL}`]);
});

describe("weights from elsewhere are measured like a run's own", () => {
  let folder = "";
  let run: SafRun;
  let document: ResultsDocument;

  after(() => rm(folder, { recursive: true, force: true }));
  before(async () => {
    folder = await writeWeights(await mkdtemp(join(tmpdir(), "saf-test-")));
    run = await saf(
      [
        "evaluate",
        ...FOREIGN,
        ...["--protocol", "paper,corrected,modern", "--attacks", "fgsm,pgd-3"],
        ...["--strengths", "0.1,0.3", "--images", "20", "-w", "1", "--json"],
        ...FEW_CLEAN,
      ],
      { cwd: folder },
    );
    assert.equal(run.code, 0, run.stderr);
    document = JSON.parse(run.stdout) as ResultsDocument;
  }, LIMIT);

  test("by every protocol asked for, the paper's curves first and told apart", () => {
    assert.deepEqual(document.weights_sha256, { [MODEL]: hashOf(parameters) });
    const curves = document.models[0]?.curves ?? [];
    const series = [
      ...new Set(
        curves.map((p) => [p.protocol, p.kind, p.attack].filter((part) => part !== undefined).join(" ")),
      ),
    ];
    assert.deepEqual(series, [
      "clean",
      ...["adversarial paper-fgs", "nonsense paper-fgs", "noisy random-signs"].flatMap(
        (kind) => `paper ${kind}`,
      ),
      ...["adversarial paper-fgs", "nonsense paper-fgs", "noisy random-signs"].map(
        (kind) => `corrected ${kind}`,
      ),
      ...["fgsm", "pgd-3", "worst-case"].map((attack) => `modern adversarial ${attack}`),
    ]);
    for (const point of curves.filter(({ kind }) => kind !== "clean")) {
      assert.equal(point.n, 20);
      assert.ok([0.1, 0.3].includes(point.strength));
    }
    assert.equal(document.models[0]?.checks?.length, 10);
  });

  test("and once more: nothing is measured a second time", LIMIT, async () => {
    const results = join(document.directory, "eval", "results.jsonl");
    const written = await readFile(results, "utf8");
    const again = await saf(["evaluate", document.directory, "-w", "1", "--json"], { cwd: folder });
    assert.equal(again.code, 0, again.stderr);
    const told = JSON.parse(again.stdout) as ResultsDocument;
    assert.deepEqual(told.models, document.models);
    assert.equal(await readFile(results, "utf8"), written);
  });

  test("but not trained on", LIMIT, async () => {
    const trained = await saf(["train", "--resume", document.directory, "-w", "1"], { cwd: folder });
    assert.equal(trained.code, 2);
    assert.match(trained.stderr, /was trained with other settings or other data/);
  });
});
