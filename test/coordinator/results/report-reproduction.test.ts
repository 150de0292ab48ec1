import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { reportRun } from "../../../coordinator/results/report/report-run.js";
import { structuresOf } from "../../../coordinator/results/reproduction/structures.js";
import { writeReproductionReport } from "../../../coordinator/results/reproduction/write.js";
import { ClusterError } from "../../../shared/errors.js";
import { type FeaturesDocument, HISTOGRAM_BINS, JOINT_BINS } from "../../../shared/features.js";
import type { CurvePoint, ModelResult, PerturbationKind, SampleImage } from "../../../shared/results.js";
import { assertWellFormed } from "./report-page-checks.js";
import { sampleImages, sampleResult, sampleSteps } from "./report-sample.js";

interface MemberFiles {
  model: string;
  seed?: number;
  result?: ModelResult;
  samples?: SampleImage[];
  features?: FeaturesDocument;
  lines?: object[];
}

/** A folder as `saf reproduce` leaves it. */
async function reproduction(
  t: TestContext,
  manifest: object,
  members: Record<string, MemberFiles>,
): Promise<string> {
  const out = await mkdtemp(join(tmpdir(), "saf-reproduction-"));
  t.after(() => rm(out, { recursive: true, force: true }));
  await writeFile(join(out, "reproduction.json"), JSON.stringify(manifest));
  for (const [name, { model, seed = 0, result, samples = [], features, lines = [] }] of Object.entries(
    members,
  )) {
    const folder = join(out, name);
    await mkdir(join(folder, "eval"), { recursive: true });
    await writeFile(join(folder, "config.yaml"), `model: ${model}\nseed: ${seed}\n`);
    if (result === undefined) continue;
    await writeFile(join(folder, "result.json"), JSON.stringify(result));
    await writeFile(join(folder, "status.json"), JSON.stringify({ state: "done", epoch: 1.5 }));
    const steps = sampleSteps(40, 1);
    await writeFile(join(folder, "metrics.jsonl"), steps.map((step) => `${JSON.stringify(step)}\n`).join(""));
    const task = { kind: "clean", first_image: 0, image_count: 0 };
    const all = [{ task, outcomes: [], samples }, ...lines];
    await writeFile(
      join(folder, "eval", "results.jsonl"),
      all.map((line) => `${JSON.stringify(line)}\n`).join(""),
    );
    if (features !== undefined) await writeFile(join(folder, "features.json"), JSON.stringify(features));
  }
  return out;
}

function features(): FeaturesDocument {
  const bins = Array.from({ length: HISTOGRAM_BINS }, (_, i) => i);
  const cells = Array.from({ length: JOINT_BINS ** 2 }, (_, i) => i % 7);
  const histogram = { low: -2, high: 2, clean: bins, nonsense: [...bins].reverse() };
  const place = { units: 11_520, channels: 20, all: histogram, single: [{ channel: 5, ...histogram }] };
  const pairs = [{ channels: [0, 5] as [number, number], low: [-1, -1] as [number, number], high: [1, 1] as [number, number], clean: cells, nonsense: cells }]; // prettier-ignore
  const suppressed = { clean: 0.3125, nonsense: 0.875 };
  return {
    checkpoint: "c0ffee",
    seed: 0,
    rbf_suppressed_below: 0.01,
    images: 500,
    places: [{ ...place, layer: "conv1", activation: "mrelu", suppressed, pairs }],
  };
}

/** Modern figures, with one network whose numbers a check found wanting. */
function withModern(result: ModelResult, accuracy: number, unreliable: string[] = []): ModelResult {
  const point = (attack: string, error: number): CurvePoint => ({
    ...{ kind: "adversarial", strength: 0.25, n: 1000, error, ci_low: error - 0.01, ci_high: error + 0.01 },
    ...{ mean_confidence: 0.5, protocol: "modern", attack, norm: "linf" },
    ...(unreliable.length > 0 ? { unreliable } : {}),
  });
  return {
    ...result,
    curves: [...result.curves, point("pgd-40", 1 - accuracy - 0.02), point("worst-case", 1 - accuracy)],
    checks: [
      { number: 1, title: "PGD is no weaker than FGSM", status: unreliable.length > 0 ? "failed" : "passed", detail: "98 % against 91 %" }, // prettier-ignore
    ],
    ...(unreliable.length > 0 ? { unreliable } : {}),
  };
}

const MANIFEST = {
  dataset: "mnist",
  models: ["plain", "mrelu-r-m", "rbf"],
  seeds: [0],
  epochs: 2,
  images: 1000,
  command: "npx saf reproduce mnist --epochs 2",
  environment: { saf: "0.1.0", node: "v20" },
};

const textOf = (page: string): string =>
  page
    .replace(/<style>[\s\S]*?<\/style>/, "")
    .replace(/<svg[\s\S]*?<\/svg>/g, " ")
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ");

test("the page has the paper's order, is well-formed and loads nothing", async (t) => {
  const out = await reproduction(t, MANIFEST, {
    plain: {
      model: "plain",
      result: withModern(sampleResult("plain"), 0.3),
      samples: sampleImages(3, false),
    },
    "mrelu-r-m": {
      model: "mrelu-r-m",
      result: withModern(sampleResult("mrelu-r-m"), 0.02, ["Square broke 7 images that PGD did not"]),
      samples: sampleImages(4, true),
      features: features(),
    },
  });
  const page = await readFile(await reportRun(out, { title: "", command: "" }), "utf8");
  assertWellFormed(page);
  const sections = [...page.matchAll(/<h2 id="([a-z]+)"/g)].map((match) => match[1]);
  assert.deepEqual(sections, ["structures", "clean", "accuracy", "images", "features", "activations", "claims", "modern", "again"]); // prettier-ignore
  const withoutPixels = page.replace(/"data:image\/png;base64,[A-Za-z0-9+/=]*"/g, '""');
  assert.equal(/https?:|<script|<link|@import|url\(|\son[a-z]+=/i.exec(withoutPixels)?.[0], undefined);
  for (const [, target] of page.matchAll(/href="#([^"]*)"/g))
    assert.ok(page.includes(`id="${target}"`), target);
});

test("clean errors stand beside the authors', and what was not trained is said to be not measured", async (t) => {
  const out = await reproduction(t, MANIFEST, { plain: { model: "plain", result: sampleResult("plain") } });
  const { html, claims } = await writeReproductionReport(out);
  const text = textOf(await readFile(html, "utf8"));
  // 98.92 % right here; 0.87 % wrong in the authors' log.
  assert.match(text, /plain 1\.08 0\.90–1\.30 [\d.]+ 1\.5 0\.87 0\.81 0\.072 20 \+0\.21/);
  assert.match(text, /rbf not measured not measured not measured 1\.07 0\.95/);
  assert.match(text, /1 of 3 networks measured/);
  assert.match(text, /not measured : no modern attack was run/);
  assert.match(text, /not measured : the corrected twin/);
  assert.doesNotMatch(text, /NaN|undefined|null/);
  assert.ok(claims.length > 8 && claims.every(({ verdict }) => verdict === "cannot be judged"));
  const csv = (await readFile(join(out, "clean.csv"), "utf8")).split("\n");
  assert.match(csv[1] ?? "", /^plain,0,1\.5,10000,0\.0108/);
  assert.equal(csv[3], "rbf,,,,,,,,0.010700000000000001,0.0095,20");
});

test("claims are judged on outcomes image by image where the journal holds them", async (t) => {
  const outcomeLine = (kind: PerturbationKind, strength: number, wrong: Uint8Array): object => ({
    task: { kind, first_image: 0, image_count: wrong.length },
    outcomes: [{ strength, wrong: Buffer.from(wrong).toString("base64") }],
    samples: [],
  });
  const result = (name: string, wrong: number): ModelResult => ({
    ...{ name, clean_accuracy: 1 - wrong / 500, n: 500, samples_per_second: 1 },
    curves: [
      { kind: "clean", strength: 0, n: 500, error: wrong / 500, ci_low: 0, ci_high: 1, mean_confidence: 1 },
    ],
  });
  const flags = (wrong: number): Uint8Array => Uint8Array.from({ length: 500 }, (_, i) => Number(i < wrong));
  const out = await reproduction(t, MANIFEST, {
    // An earlier checkpoint's outcomes come first: the last ones are the result's.
    plain: { model: "plain", result: result("plain", 6), lines: [outcomeLine("clean", 0, flags(90)), outcomeLine("clean", 0, flags(6))] }, // prettier-ignore
    "mrelu-r-m": { model: "mrelu-r-m", result: result("mrelu-r-m", 7), lines: [outcomeLine("clean", 0, flags(300))] }, // prettier-ignore
  });
  const { claims } = await writeReproductionReport(out);
  const [clean] = claims.find(({ id }) => id === "clean")?.comparisons ?? [];
  assert.equal(clean?.difference.paired, false, "a journal that disagrees with the result is not used");
  assert.equal(clean?.first.error, 7 / 500);

  await writeFile(
    join(out, "mrelu-r-m", "eval", "results.jsonl"),
    `${JSON.stringify(outcomeLine("clean", 0, flags(7)))}\n`,
  );
  const again = (await writeReproductionReport(out)).claims.find(({ id }) => id === "clean");
  assert.equal(again?.comparisons[0]?.difference.paired, true);
  assert.equal(again?.verdict, "cannot be judged", "1 of 500 more, but 500 images cannot exclude a point");
  const document = JSON.parse(await readFile(join(out, "claims.json"), "utf8")) as {
    claims: { id: string; verdict: string; comparisons: { paired: boolean; low: number }[] }[];
  };
  assert.equal(document.claims.find(({ id }) => id === "clean")?.comparisons[0]?.paired, true);
});

test("today's attacks show whose order turns round, and unreliable figures are marked with the reason", async (t) => {
  const reason = "Square broke 7 images that PGD did not";
  const out = await reproduction(t, MANIFEST, {
    plain: { model: "plain", result: withModern(sampleResult("plain"), 0.3) },
    "mrelu-r-m": { model: "mrelu-r-m", result: withModern(sampleResult("mrelu-r-m"), 0.02, [reason]) },
  });
  const { html } = await writeReproductionReport(out);
  const page = await readFile(html, "utf8");
  const text = textOf(page);
  assert.match(
    text,
    /The order turns round for 1 of 1 pairs: mrelu-r-m beats plain under the paper&#39;s attack, and loses/,
  );
  assert.match(text, new RegExp(`Unreliable\\..*mrelu-r-m : ${reason}`));
  assert.match(text, /⚠ unreliable/);
  assert.match(text, /mrelu-r-m , check 1 failed: 98 % against 91 %/);
  const modern = await readFile(join(out, "plots", "modern.svg"), "utf8");
  assert.match(modern, /stroke-dasharray="4,3"/, "an unreliable bar is hollow and dashed");
  const document = JSON.parse(await readFile(join(out, "claims.json"), "utf8")) as {
    modern: {
      reversals: unknown[];
      networks: { name: string; unreliable: string[]; worst_case_accuracy: number }[];
    };
  };
  assert.deepEqual(document.modern.reversals, [{ first: "mrelu-r-m", second: "plain" }]);
  assert.deepEqual(
    document.modern.networks.map(({ unreliable }) => unreliable),
    [[], [reason]],
  );
});

test("plots, curves and features are files too", async (t) => {
  const out = await reproduction(t, MANIFEST, {
    "mrelu-r-m": { model: "mrelu-r-m", result: sampleResult("mrelu-r-m"), features: features() },
  });
  const { html } = await writeReproductionReport(out);
  for (const name of ["accuracy-paper", "activations", "features-mrelu-r-m", "joint-mrelu-r-m-conv1-0-5"]) {
    assert.match(await readFile(join(out, "plots", `${name}.svg`), "utf8"), /^<svg/);
    assert.ok((await stat(join(out, "plots", `${name}.png`))).size > 1000, name);
  }
  assert.match(await readFile(join(out, "eval", "curves.csv"), "utf8"), /^model,kind,strength/);
  const text = textOf(await readFile(html, "utf8"));
  assert.match(text, /mrelu-r-m mReLU 31\.3 87\.5/);
});

test("more networks than one panel can show are drawn family by family", async (t) => {
  const models = ["plain", "plain-r", "plain-m", "mrelu", "mrelu-r", "mrelu-m", "mrelu-r-m"];
  const members = Object.fromEntries(
    models.map((model) => [model, { model, result: sampleResult("plain") }]),
  );
  const out = await reproduction(t, { ...MANIFEST, models }, members);
  const { html } = await writeReproductionReport(out);
  const accuracy = /<h2 id="accuracy">[\s\S]*?<h2 id="images">/.exec(await readFile(html, "utf8"))?.[0] ?? "";
  assert.equal(accuracy.match(/<ul class="legend"/g)?.length, 2);
  await stat(join(out, "plots", "accuracy-paper-2.svg"));
});

test("RGB images and their classes by name are shown for CIFAR-10", async (t) => {
  const pixels = Buffer.alloc(32 * 32 * 3, 99).toString("base64");
  const image = { height: 32, width: 32, channels: 3, pixels, index: 0, strength: 0, confidence: 0.75 };
  const samples: SampleImage[] = [{ kind: "clean", label: 3, prediction: 5, right: false, ...image }];
  const out = await reproduction(
    t,
    { ...MANIFEST, dataset: "cifar10", models: ["plain"] },
    { plain: { model: "plain", result: sampleResult("plain"), samples } },
  );
  const page = await readFile((await writeReproductionReport(out)).html, "utf8");
  assertWellFormed(page);
  assert.match(page, /clean image of class cat: answered dog with 75 % confidence, wrong/);
  assert.match(textOf(page), /CIFAR-10.*21\.69/);
});

test("text from outside cannot become markup", async (t) => {
  const attack = `<script>alert("1")</script>'&`;
  const out = await reproduction(
    t,
    { ...MANIFEST, models: ["plain", attack], command: attack, environment: { [attack]: attack } },
    { plain: { model: "plain", result: withModern(sampleResult("plain"), 0.5, [attack]) } },
  );
  const page = await readFile((await writeReproductionReport(out)).html, "utf8");
  assertWellFormed(page);
  assert.doesNotMatch(page, /<script/i);
});

test("a damaged overview is an error that says where", async (t) => {
  const out = await reproduction(t, { dataset: "mnist", models: [] }, {});
  await assert.rejects(writeReproductionReport(out), (error) => {
    assert.ok(error instanceof ClusterError && error.code === "data");
    assert.match(error.message, /reproduction\.json says "models" wrong/);
    return true;
  });
});

test("the table of structures has a column for each structure, not for each network", () => {
  const [plain, robust, ...more] = structuresOf(
    "mnist",
    ["plain", "plain-r-m", "mrelu", "no-such-network"].map((name) => ({ name })),
  );
  assert.deepEqual(more, []);
  assert.deepEqual(plain?.names, ["plain", "plain-r-m"]);
  // METHOD.md 1.5: 431,080 weights and biases, and 1,140 of batch norm.
  assert.equal(plain?.parameters, 432_220);
  assert.deepEqual(
    robust?.places.map(({ text }) => text),
    [
      "conv 5×5×20; BN; mReLU",
      "max 2×2, stride 2",
      "conv 5×5×50; BN; mReLU",
      "max 2×2, stride 2",
      "conv 4×4×500; BN; ReLU",
      "fully connected K",
    ],
  );
});

test("the table of structures shows what the members were trained with", () => {
  const settings = { channels: [8, 16, 32], activation_width: 2 };
  const [column] = structuresOf("mnist", [{ name: "rbf", settings }]);
  assert.deepEqual(
    column?.places.map(({ text }) => text),
    [
      "conv 5×5×8; BN; RBF of width 2",
      "max 2×2, stride 2",
      "conv 5×5×16; BN; RBF of width 2",
      "max 2×2, stride 2",
      "conv 4×4×32; BN; ReLU",
      "fully connected K",
    ],
  );
});
