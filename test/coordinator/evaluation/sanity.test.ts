import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type EvaluationRecord, modelResult } from "../../../coordinator/evaluation/model-result.js";
import { checkedTogether } from "../../../coordinator/evaluation/sanity/sanity.js";
import type { Diagnostics } from "../../../shared/diagnostics.js";
import type { ModelResult, SanityCheck } from "../../../shared/results.js";
import {
  HEALTHY,
  IMAGES,
  attack,
  clean,
  diagnosed,
  outcome,
  paper,
  pgd,
} from "../../support/evaluation-records.js";

const SQUARE = { attack: "square", options: {} };
const TRANSFER = { attack: "transfer", options: {} };
const PLAIN = { model: "plain", weights_sha256: "a".repeat(64) };
const FGSM = { attack: "fgsm", options: {} };

function resultOf(records: readonly EvaluationRecord[], name = "mrelu"): ModelResult {
  return modelResult({ name, realClasses: 10, samplesPerSecond: 0, everything: 0.5 }, records);
}

function check(number: number, records: readonly EvaluationRecord[]): SanityCheck & { result: ModelResult } {
  const result = resultOf(records);
  const found = result.checks?.[number - 1];
  assert.equal(found?.number, number);
  return { ...found, result };
}

/** All that a sound evaluation measures. */
function sound(): EvaluationRecord[] {
  return [
    clean(),
    diagnosed(HEALTHY),
    paper("paper", [outcome(0.1, 20), outcome(0.3, 40)]),
    paper("corrected", [outcome(0.1, 25), outcome(0.3, 50)]),
    attack("fgsm", FGSM, [outcome(0.1, 30), outcome(0.3, 60)]),
    attack("pgd-40", pgd(40), [outcome(0.1, 50), outcome(0.3, 90)]),
    attack("pgd-80", pgd(80), [outcome(0.1, 50), outcome(0.3, 90)]),
    attack("pgd-everything", pgd(40), [outcome(0.5, IMAGES)]),
    attack("square", SQUARE, [outcome(0.1, 40), outcome(0.3, 80)]),
    attack("ddn", { attack: "ddn", options: {} }, [outcome(1.5, 50, { distance: 1.2 })], { norm: "l2" }),
  ];
}

test("a sound evaluation passes all that it can be asked, and nothing is marked", () => {
  const result = resultOf(sound());
  assert.deepEqual(
    result.checks?.map(({ number, status }) => `${number} ${status}`),
    [...[1, 2, 3, 4, 5, 6, 7].map((number) => `${number} passed`), "8 noted", "9 passed", "10 not run"],
  );
  assert.deepEqual(result.unreliable, []);
  assert.ok(result.curves.every(({ unreliable }) => unreliable === undefined));
});

test("nothing that an emulated engine answered passes for a measurement, also when networks are compared", () => {
  const facts = { name: "mrelu", realClasses: 10, samplesPerSecond: 0, everything: 0.5 };
  const result = modelResult({ ...facts, engine: "emulated" }, sound());
  for (const settled of [result, ...checkedTogether([result, resultOf(sound(), "plain")]).slice(0, 1)]) {
    assert.equal(settled.engine, "emulated");
    assert.match(settled.unreliable?.[0] ?? "", /the engine was emulated/);
    assert.ok(settled.curves.every(({ unreliable }) => unreliable?.[0]?.includes("emulated") === true));
  }
});

test("what a check would compare is missing: it was not run, and says what it needs", () => {
  const result = resultOf([clean()]);
  for (const { number, status, detail } of result.checks ?? []) {
    assert.equal(status, "not run", `check ${number}: ${detail}`);
    assert.notEqual(detail, "");
  }
  assert.deepEqual(result.unreliable, []);
});

test("transfer is compared where there is a second network, and named as not run where there is none", () => {
  const weak = attack("transfer-from-plain", TRANSFER, [outcome(0.1, 20), outcome(0.3, 80)], {
    source: PLAIN,
  });
  const without = check(3, sound());
  assert.equal(without.status, "passed");
  assert.match(without.detail, /transfer was not run: it needs a second network/);
  const beside = check(3, [...sound(), weak]);
  assert.equal(beside.status, "passed");
  assert.doesNotMatch(beside.detail, /not run/);
});

describe("a failed check marks the result", () => {
  const replaced = (name: string, ...by: EvaluationRecord[]): EvaluationRecord[] => [
    ...sound().filter(({ task }) => task.attack !== name),
    ...by,
  ];
  const diagnosis = (change: Partial<Diagnostics>): EvaluationRecord[] =>
    replaced("diagnostics", diagnosed({ ...HEALTHY, ...change }));

  const cases: { what: string; number: number; records: EvaluationRecord[]; says: RegExp }[] = [
    {
      what: "PGD weaker than FGSM",
      number: 1,
      records: replaced("fgsm", attack("fgsm", FGSM, [outcome(0.1, 30), outcome(0.3, 99)])),
      says: /at 0\.3 fgsm breaks 9 of 100 images that pgd-40 does not/,
    },
    {
      what: "more steps find fewer",
      number: 1,
      records: replaced("pgd-80", attack("pgd-80", pgd(80), [outcome(0.1, 40), outcome(0.3, 90)])),
      says: /at 0\.1 pgd-40 breaks 10 of 100 images that pgd-80 does not/,
    },
    {
      what: "twice the steps find many more",
      number: 1,
      records: replaced("pgd-80", attack("pgd-80", pgd(80), [outcome(0.1, 62), outcome(0.3, 90)])),
      says: /at 0\.1 twice the steps of pgd-40 raise the error by 12\.0 %/,
    },
    {
      what: "a larger ball with fewer errors",
      number: 2,
      records: replaced("pgd-80", attack("pgd-80", pgd(80), [outcome(0.1, 95), outcome(0.3, 85)])),
      says: /pgd-80 falls from 95\.0 % at 0\.1 to 85\.0 % at 0\.3/,
    },
    {
      what: "images that stand in the ball that holds everything",
      number: 2,
      records: replaced("pgd-everything", attack("pgd-everything", pgd(40), [outcome(0.5, 95)])),
      says: /5\.0 % of the images stand at ε = 0\.5, where none can/,
    },
    {
      what: "images that fall only to what was crafted on another network",
      number: 3,
      records: [
        ...sound(),
        attack("transfer-from-plain", TRANSFER, [outcome(0.1, 70), outcome(0.3, 90)], { source: PLAIN }),
      ],
      says: /transfer-from-plain \(linf\) alone breaks 20 of 100 at 0\.1/,
    },
    {
      what: "images that fall only without gradients",
      number: 3,
      records: replaced("square", attack("square", SQUARE, [outcome(0.1, 60), outcome(0.3, 90)])),
      says: /square \(linf\) alone breaks 10 of 100 at 0\.1/,
    },
    {
      what: "gradients that are exactly zero",
      number: 4,
      records: diagnosis({
        gradients: [{ loss: "cross-entropy", images: 100, zero: 40, quantiles: [0, 0, 0, 1, 2] }],
      }),
      says: /cross-entropy: exactly zero for 40 of 100/,
    },
    {
      what: "an attack that cannot break a linear model",
      number: 5,
      records: diagnosis({
        planted: [{ attack: "pgd", norm: "l2", epsilon: 1, images: 32, breakable: 32, broken: 20 }],
      }),
      says: /pgd \(l2\) breaks 20 of 32 images of a planted linear model/,
    },
    {
      what: "gradients that are not those of the loss",
      number: 6,
      records: diagnosis({
        slopes: [{ loss: "training", compared: 50, kinks: 2, agreeing: 0.3, median_deviation: 0.8 }],
      }),
      says: /training: 30\.0 % of 50 directions agree/,
    },
    {
      what: "changes larger than told",
      number: 7,
      records: replaced(
        "fgsm",
        attack("fgsm", FGSM, [outcome(0.1, 30, { distance: 0.2 }), outcome(0.3, 60)]),
      ),
      says: /fgsm left ball or box on 100 images at 0\.1/,
    },
    {
      what: "a pixel outside the box",
      number: 7,
      records: replaced("fgsm", attack("fgsm", FGSM, [outcome(0.1, 30, { distance: Infinity })])),
      says: /fgsm left ball or box on 100 images at 0\.1/,
    },
    {
      what: "another idea of which images were right at first",
      number: 7,
      records: replaced("fgsm", attack("fgsm", FGSM, [outcome(0.1, 30, { initial: [40, 41, 42] })])),
      says: /fgsm takes 3 other images for wrong at first than the clean measurement/,
    },
    {
      what: "images for which no change is found, however large",
      number: 9,
      records: replaced(
        "ddn",
        attack("ddn", { attack: "ddn", options: {} }, [outcome(1.5, 0, { distance: Infinity })], {
          norm: "l2",
        }),
      ),
      says: /ddn \(l2\) finds a change for 0\.0 % of 100, median none/,
    },
  ];
  for (const { what, number, records, says } of cases) {
    test(`${what}: check ${number}`, () => {
      const { status, detail, title, result } = check(number, records);
      assert.equal(status, "failed", detail);
      assert.match(detail, says);
      const reason = `check ${number}, ${title}: ${detail}`;
      assert.ok(result.unreliable?.includes(reason));
      const marked = result.curves.filter(({ unreliable }) => unreliable?.includes(reason));
      assert.ok(marked.length > 0);
      assert.ok(marked.every(({ kind }) => kind === "adversarial"));
    });
  }

  test("changes larger than told mark their own series alone", () => {
    const { result } = check(
      7,
      replaced("fgsm", attack("fgsm", FGSM, [outcome(0.1, 30, { distance: 0.2 }), outcome(0.3, 60)])),
    );
    const marked = result.curves.filter(({ unreliable }) => unreliable !== undefined);
    assert.deepEqual([...new Set(marked.map((point) => point.attack))], ["fgsm"]);
  });
});

test("one or two images by chance fail nothing", () => {
  const records = sound().map((one) =>
    one.task.attack === "square"
      ? attack("square", SQUARE, [outcome(0.1, [0, 1, 99]), outcome(0.3, 80)])
      : one,
  );
  const { status, detail } = check(3, records);
  assert.equal(status, "passed");
  assert.match(detail, /square \(linf\) alone breaks 1 of 100 at 0\.1/);
});

test("the paper's one step may overshoot: that is said, and fails nothing", () => {
  const records = sound().map((one) =>
    one.task.protocol === "paper" ? paper("paper", [outcome(0.1, 60), outcome(0.3, 20)]) : one,
  );
  const { status, detail } = check(2, records);
  assert.equal(status, "passed");
  assert.match(detail, /one step overshoots: paper FGS falls from 60\.0 % at 0\.1 to 20\.0 % at 0\.3/);
});

test("what batch norm in training mode changes is shown", () => {
  const { status, detail } = check(8, sound());
  assert.equal(status, "noted");
  assert.match(detail, /differs most at 0\.3: 40\.0 % .* 50\.0 %/);
});

describe("networks measured together", () => {
  const plainRecords = (fallen: number): EvaluationRecord[] => [
    clean(),
    diagnosed(HEALTHY),
    attack("fgsm", FGSM, [outcome(0.3, 60)]),
    attack("pgd-40", pgd(40), [outcome(0.3, fallen)]),
  ];
  const checkOf = (results: readonly ModelResult[], name: string, number: number): SanityCheck =>
    results.find((result) => result.name === name)?.checks?.[number - 1] as SanityCheck;

  test("an undefended network that stands makes all their attacks suspect", () => {
    const results = checkedTogether([resultOf(plainRecords(90), "plain"), resultOf(sound(), "mrelu")]);
    for (const name of ["plain", "mrelu"]) {
      assert.equal(checkOf(results, name, 5).status, "failed");
      assert.match(checkOf(results, name, 5).detail, /plain is wrong on 90\.0 % of 100 at 0\.3/);
    }
    assert.ok(results[1]?.unreliable?.some((reason) => reason.startsWith("check 5")));
    assert.ok(results[1]?.curves.some(({ unreliable }) => (unreliable?.length ?? 0) > 0));
  });

  test("one that falls speaks for them", () => {
    const results = checkedTogether([resultOf(plainRecords(100), "plain"), resultOf(sound(), "mrelu")]);
    assert.equal(checkOf(results, "mrelu", 5).status, "passed");
    assert.deepEqual(results[1]?.unreliable, []);
  });

  test("noise training without the activation stands beside", () => {
    const results = checkedTogether([
      resultOf(sound(), "mrelu-r-m"),
      resultOf(plainRecords(100), "plain-r-m"),
    ]);
    const found = checkOf(results, "mrelu-r-m", 10);
    assert.equal(found.status, "noted");
    assert.match(found.detail, /at 0\.3: 90\.0 %, without the activation \(plain-r-m\) 100\.0 %/);
    assert.equal(checkOf(results, "plain-r-m", 10).status, "not run");
  });

  test("to check once more changes nothing", () => {
    const once = checkedTogether([resultOf(plainRecords(90), "plain"), resultOf(sound(), "mrelu-r-m")]);
    assert.deepEqual(checkedTogether(once), once);
  });
});

test("the worst case counts an image that any attack broke, at this strength or a smaller one", () => {
  const result = resultOf([
    clean(),
    attack("pgd-40", pgd(40), [outcome(0.1, [0, 1]), outcome(0.3, [0])]),
    attack("square", SQUARE, [outcome(0.1, [2], { n: 50 }), outcome(0.3, [3], { n: 50 })]),
  ]);
  const worst = result.curves.filter((point) => point.attack === "worst-case");
  assert.deepEqual(
    worst.map(({ strength, error, n, norm }) => ({ strength, error, n, norm })),
    [
      { strength: 0.1, error: 0.03, n: IMAGES, norm: "linf" },
      { strength: 0.3, error: 0.04, n: IMAGES, norm: "linf" },
    ],
  );
});
