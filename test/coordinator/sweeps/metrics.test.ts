import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { planTasks } from "../../../coordinator/evaluation/evaluation-job.js";
import { type EvaluationRecord, modelResult } from "../../../coordinator/evaluation/model-result.js";
import { planMeasures } from "../../../coordinator/evaluation/plan/procedures.js";
import {
  areaUnder,
  measuredImagesOf,
  metricNamesOf,
  metricsOf,
} from "../../../coordinator/sweeps/metrics.js";
import { canonicalMetric, goalOf, objectivesOf, parseConstraint } from "../../../shared/config/objectives.js";
import { type Config, type ConfigInput, configSchema } from "../../../shared/config/run.js";
import { DATA_SET_SIZES } from "../../../shared/data-set-names.js";
import { ClusterError } from "../../../shared/errors.js";
import { resolveRun } from "../../../shared/resolve.js";
import type { CurvePoint, ModelResult, PerturbationKind } from "../../../shared/results.js";
import { HEALTHY } from "../../support/evaluation-records.js";

describe("a metric has one name:", () => {
  const names: readonly [written: string, canonical: string][] = [
    ["clean", "clean"],
    [" Loss ", "loss"],
    ["area( adversarial )", "area(adversarial)"],
    ["area(pgd-40, linf)", "area(pgd-40)"],
    ["area(pgd-40,l2)", "area(pgd-40, l2)"],
    ["accuracy(pgd-40, 0.30)", "accuracy(pgd-40, 0.3)"],
    ["accuracy(pgd-40, l2, 1.5)", "accuracy(pgd-40, l2, 1.5)"],
    ["error(noisy, 8/255)", `error(noisy, ${8 / 255})`],
    ["worst(3e-1)", "worst(0.3)"],
    ["worst(l2, 2)", "worst(l2, 2)"],
    ["auroc(gaussian, 0)", "auroc(gaussian, 0)"],
  ];
  for (const [written, canonical] of names) {
    test(`"${written}" is ${canonical}`, () => {
      assert.equal(canonicalMetric(written), canonical);
      assert.equal(canonicalMetric(canonical), canonical);
    });
  }

  for (const wrong of [
    "",
    "clean()",
    "clean(0.3)",
    "area",
    "area()",
    "area(a b, 0.3)",
    "worst",
    "worst(pgd-40, 0.3)",
    "accuracy(0.3)",
    "accuracy(pgd-40)",
    "accuracy(pgd-40, x)",
    "accuracy(pgd-40, 1/0)",
    "accuracy(pgd-40, 0.1, 0.2)",
    "area(pgd-40",
    "robust(0.3)",
  ]) {
    test(`"${wrong}" is none, and it is said what would be one`, () => {
      assert.throws(
        () => canonicalMetric(wrong),
        (error) =>
          error instanceof ClusterError &&
          error.code === "config" &&
          /expected|did you mean/.test(error.message),
      );
    });
  }
});

test("more is better, but for losses and errors; a spec may say otherwise", () => {
  assert.deepEqual(["loss", "error(noisy, 0.1)", "clean", "area(pgd-40)"].map(goalOf), [
    "minimize",
    "minimize",
    "maximize",
    "maximize",
  ]);
  assert.deepEqual(
    objectivesOf({ objective: ["clean", { metric: "loss" }, { metric: "worst( 0.30 )", goal: "minimize" }] }),
    [
      { metric: "clean", goal: "maximize" },
      { metric: "loss", goal: "minimize" },
      { metric: "worst(0.3)", goal: "minimize" },
    ],
  );
});

test("a constraint is a metric, a relation and a number, in percent too", () => {
  const parsed = (text: string): unknown[] => {
    const { metric, relation, bound } = parseConstraint(text);
    return [metric, relation, bound];
  };
  assert.deepEqual(parsed("clean >= 0.97"), ["clean", ">=", 0.97]);
  assert.deepEqual(parsed("clean>=97%"), ["clean", ">=", 0.97]);
  assert.deepEqual(parsed("accuracy(pgd-40, 0.10) > 97.5 %"), ["accuracy(pgd-40, 0.1)", ">", 0.975]);
  assert.deepEqual(parsed("error(noisy, 0.2) ≤ 5e-2"), ["error(noisy, 0.2)", "<=", 0.05]);
  assert.equal(parseConstraint("loss < 2").text, "loss < 2");
  for (const wrong of [
    "clean",
    "clean 0.97",
    "clean >= much",
    ">= 0.9",
    "clean = 0.9",
    "clean >= 0.9 >= 0.8",
  ])
    assert.throws(() => parseConstraint(wrong), ClusterError, wrong);
});

test("a constraint on a rate that none can meet, or that every one meets, is refused, with what may be meant", () => {
  for (const [text, expected] of [
    ["clean >= 97", /"clean >= 97": no trial can meet it: clean lies between 0 and 1; did you mean 97 %\?$/],
    ["clean >= 120 %", /no trial can meet it: clean lies between 0 and 1$/],
    ["accuracy(noisy, 0.1) >= 50", /accuracy\(noisy, 0\.1\) lies between 0 and 1; did you mean 50 %\?$/],
    ["error(noisy, 0.1) <= 5", /every trial meets it: .*; did you mean 5 %\?$/],
    ["area(noisy) < 0", /no trial can meet it/],
    ["worst(0.3) > 1", /no trial can meet it/],
    ["clean >= -0.5", /every trial meets it/],
    ["auroc(nonsense, 0.3) >= 1200", /no trial can meet it: auroc\(nonsense, 0\.3\) lies between 0 and 1$/],
    ["loss < 20 %", /the loss is no share, expected a number without %$/],
  ] as const)
    assert.throws(() => parseConstraint(text), expected, text);
  for (const text of ["clean >= 1", "clean >= 100 %", "clean >= 0", "error(noisy, 0) <= 0", "loss < 97"])
    assert.equal(parseConstraint(text).text, text);
});

test("the area is the mean accuracy over the strengths, by trapezoids", () => {
  const points = [
    { strength: 0.4, error: 1 },
    { strength: 0, error: 0 },
    { strength: 0.1, error: 0.2 },
  ];
  // (0.9 · 0.1 + 0.4 · 0.3) / 0.4
  assert.ok(Math.abs((areaUnder(points) ?? NaN) - 0.525) < 1e-12);
  assert.equal(areaUnder([{ strength: 0.3, error: 0.25 }]), 0.75);
  assert.equal(areaUnder([]), undefined);
});

const point = (
  kind: PerturbationKind,
  strength: number,
  error: number,
  label: Partial<CurvePoint> = {},
): CurvePoint => ({
  kind,
  strength,
  n: 100,
  error,
  ci_low: 0,
  ci_high: 1,
  mean_confidence: 0.5,
  ...label,
});

function resultWith(curves: CurvePoint[], rest: Partial<ModelResult> = {}): ModelResult {
  return { name: "mrelu", clean_accuracy: 0.98, n: 100, samples_per_second: 1, curves, ...rest };
}

test("metrics are the curves by name; a number that is none is left out", () => {
  const modern = { protocol: "modern", attack: "pgd-40", norm: "linf" } as const;
  const nonsense = {
    protocol: "paper",
    attack: "paper-fgs",
    norm: "linf",
    strength: 0.2,
    n_real: 1,
    n_nonsense: 1,
    false_accept_at_95: 0,
  } as const;
  const curves = [
    point("clean", 0, 0.02),
    point("adversarial", 0.1, 0.25, { protocol: "paper", attack: "paper-fgs", norm: "linf" }),
    point("adversarial", 0.1, 0.5, { protocol: "corrected", attack: "paper-fgs", norm: "linf" }),
    point("adversarial", 0.1, 0.75, modern),
    point("adversarial", 1.5, 0.5, { ...modern, norm: "l2" }),
    point("adversarial", 0.1, 1, { ...modern, attack: "transfer-from-plain" }),
    point("nonsense", 0, 1, { ...modern, attack: "cifar10" }),
  ];
  const metrics = metricsOf(
    resultWith(curves, {
      nonsense: [
        { ...nonsense, auroc: 0.9 },
        { ...nonsense, strength: 0.3, auroc: NaN },
      ],
    }),
    Infinity,
  );
  assert.deepEqual(metrics, {
    clean: 0.98,
    "worst(0.1)": 0,
    "accuracy(worst-case, 0.1)": 0,
    "error(worst-case, 0.1)": 1,
    "area(worst-case)": 0,
    "worst(l2, 1.5)": 0.5,
    "accuracy(worst-case, l2, 1.5)": 0.5,
    "error(worst-case, l2, 1.5)": 0.5,
    "area(worst-case, l2)": 0.5,
    "accuracy(adversarial, 0.1)": 0.75,
    "error(adversarial, 0.1)": 0.25,
    "area(adversarial)": 0.75,
    "accuracy(corrected-adversarial, 0.1)": 0.5,
    "error(corrected-adversarial, 0.1)": 0.5,
    "area(corrected-adversarial)": 0.5,
    "accuracy(pgd-40, 0.1)": 0.25,
    "error(pgd-40, 0.1)": 0.75,
    "area(pgd-40)": 0.25,
    "accuracy(pgd-40, l2, 1.5)": 0.5,
    "error(pgd-40, l2, 1.5)": 0.5,
    "area(pgd-40, l2)": 0.5,
    "auroc(nonsense, 0.2)": 0.9,
  });
});

test("the worst case is the paper's attack where there is no other", () => {
  const curves = [
    point("adversarial", 0.1, 0.25, { protocol: "paper", attack: "paper-fgs", norm: "linf" }),
    point("adversarial", 0.1, 0.5, { protocol: "corrected", attack: "paper-fgs", norm: "linf" }),
  ];
  assert.equal(metricsOf(resultWith(curves), undefined)["worst(0.1)"], 0.5);
});

/** What an evaluation with these settings finds, of made-up answers: every measure of its plan, cut into tasks. */
function evaluated(config: Config, testImages: number): ModelResult {
  const { network, strengths } = resolveRun(config);
  const transfers =
    config.evaluate.transfer_from === undefined
      ? []
      : [{ name: "plain", model: "plain", weights_sha256: "a".repeat(64) }];
  const foreign = [{ name: "fashion-mnist", pixels_sha256: "b".repeat(64), images: 100 }];
  const measures = planMeasures({
    config: config.evaluate,
    network,
    strengths,
    testImages,
    samples: 0,
    sources: transfers,
    foreign,
  });
  const tasks = planTasks({ checkpoint: "c", dataset: "d", seed: 1, testImages }, measures);
  const records = tasks.map((task): EvaluationRecord => {
    if (task.measure.how === "diagnostics") return { task, outcomes: [], diagnostics: HEALTHY };
    const n = task.imageCount;
    const outcomes = task.strengths.map((strength) => ({
      strength,
      predictions: new Uint8Array(n),
      confidences: new Float32Array(n).fill(0.5),
      wrong: Uint8Array.from({ length: n }, (_, i) => i % 2),
      distances: new Float32Array(n).fill(strength),
      origins: new Uint8Array(n),
    }));
    return { task, outcomes };
  });
  return modelResult(
    { name: network.name, realClasses: network.realClasses, samplesPerSecond: 1, everything: 0.5 },
    records,
  );
}

/** From dist/test/coordinator/sweeps. */
const PUBLISHED = join(dirname(fileURLToPath(import.meta.url)), "../../../../docs/results");

const EVALUATIONS: readonly [name: string, input: ConfigInput][] = [
  ["the paper's procedure", {}],
  ["the corrected one", { evaluate: { protocol: "corrected", images: 30 } }],
  [
    "two kinds of both",
    {
      evaluate: { protocol: ["corrected", "paper"], kinds: ["noisy", "nonsense"], strengths: [0, 0.1, 0.25] },
    },
  ],
  ["the modern one, quick", { evaluate: { protocol: "modern" } }],
  ["the modern one of few images", { evaluate: { protocol: "modern", images: 1 } }],
  [
    "the modern one, standard, on CIFAR-10",
    { data: { set: "cifar10" }, evaluate: { protocol: "modern", budget: "standard", images: 40 } },
  ],
  [
    "the modern one, full, beside the others",
    { evaluate: { protocol: ["modern", "paper", "corrected"], budget: "full", images: 20 } },
  ],
  [
    "a single attack",
    { evaluate: { protocol: "modern", attacks: ["pgd-40"], images: 20, strengths: [0.1, 0.3] } },
  ],
  [
    "a single attack in the other norm",
    { evaluate: { protocol: "modern", attacks: ["square@l2"], images: 20, l2_strengths: [0.5, 1] } },
  ],
  [
    "two attacks in each norm",
    {
      evaluate: {
        protocol: "modern",
        images: 20,
        attacks: ["pgd-7", "fgsm", "ddn", { attack: "pgd", norm: "l2", name: "own" }],
      },
    },
  ],
  [
    "transfer attacks with another",
    {
      evaluate: {
        protocol: "modern",
        images: 20,
        attacks: ["pgd-7", "transfer"],
        transfer_from: "x",
        strengths: [0.2],
      },
    },
  ],
  [
    "transfer attacks alone",
    {
      evaluate: {
        protocol: "modern",
        images: 20,
        attacks: ["transfer"],
        transfer_from: "x",
        strengths: [0.2],
      },
    },
  ],
  [
    "all attacks of a budget with transfers",
    { model: "rbf", evaluate: { protocol: "modern", images: 20, transfer_from: "x" } },
  ],
];

describe("what an evaluation will report is known before it begins:", () => {
  for (const [name, input] of EVALUATIONS) {
    test(name, () => {
      const config = configSchema.parse(input);
      const { test: testImages } = DATA_SET_SIZES[config.data.set];
      const found = Object.keys(metricsOf(evaluated(config, Math.min(testImages, 200)), 0.1)).sort();
      assert.deepEqual([...metricNamesOf(config, { test: Math.min(testImages, 200) })].sort(), found);
    });
  }

  for (const set of ["mnist-20-epochs", "cifar10-10-epochs"]) {
    test(`as it was with the published ${set}, but for the scores that its tables leave out`, () => {
      const [dataSet] = set.split("-");
      const config = configSchema.parse({
        data: { set: dataSet },
        evaluate: { protocol: ["paper", "corrected"], images: 1000 },
      });
      const results = publishedResults(join(PUBLISHED, set, "curves.csv"));
      assert.ok(results.length >= 4);
      for (const result of results) {
        const expected = [...metricNamesOf({ ...config, model: result.name })].filter(
          (metric) => !metric.startsWith("auroc("),
        );
        assert.deepEqual(Object.keys(metricsOf(result, 0)).sort(), expected.sort(), result.name);
      }
    });
  }
});

test("the images behind a robustness are the fewest that an attack saw; clean points do not count", () => {
  const of = (...curves: CurvePoint[]): number | undefined =>
    measuredImagesOf(resultWith(curves, { n: 1_000 }));
  const seen = (kind: PerturbationKind, n: number): CurvePoint => ({ ...point(kind, 0.1, 0.5), n });
  assert.equal(of(seen("adversarial", 200), seen("noisy", 500), seen("clean", 10)), 200);
  assert.equal(of(seen("adversarial", 1_000)), undefined);
  assert.equal(of(), undefined);
});

function publishedResults(file: string): ModelResult[] {
  const [head = "", ...lines] = readFileSync(file, "utf8").trim().split("\n");
  const columns = head.split(",");
  const models = new Map<string, CurvePoint[]>();
  for (const line of lines) {
    const cells = new Map(line.split(",").map((cell, i) => [columns[i], cell]));
    const number = (name: string): number => Number(cells.get(name));
    const told = ["protocol", "attack", "norm"].flatMap((name) =>
      (cells.get(name) ?? "") === "" ? [] : [[name, cells.get(name)]],
    );
    const label = Object.fromEntries(told) as Partial<CurvePoint>;
    const curve = point(cells.get("kind") as PerturbationKind, number("strength"), number("error"), label);
    const model = cells.get("model") ?? "";
    models.set(model, [...(models.get(model) ?? []), curve]);
  }
  return [...models].map(([name, curves]) => ({ ...resultWith(curves), name }));
}
