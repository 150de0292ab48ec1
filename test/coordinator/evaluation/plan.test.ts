import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  type NamedSource,
  attackMeasure,
  attackMeasures,
  passesOf,
} from "../../../coordinator/evaluation/plan/attack-names.js";
import { patienceMs, taskImages } from "../../../coordinator/evaluation/plan/measures.js";
import { cleanMeasure, planMeasures } from "../../../coordinator/evaluation/plan/procedures.js";
import { type EvaluatedWeights, planTasks } from "../../../coordinator/evaluation/evaluation-job.js";
import { type ConfigInput, configSchema } from "../../../shared/config/run.js";
import { attackOptions, attackNamed } from "../../../shared/attacks.js";
import { CORRECTED, MEASURES_VERSION, RELEASED, measureSchema } from "../../../shared/measures.js";
import { networkNamed } from "../../../shared/networks/registry.js";

const SUBJECT = { checkpoint: "a", dataset: "b", seed: 1, testImages: 1000 };
const network = networkNamed("mnist", "mrelu-r-m");

const PLAIN: NamedSource = { name: "plain", model: "plain", weights_sha256: "a".repeat(64) };
const OTHER: NamedSource = { name: "other", model: "mrelu", weights_sha256: "b".repeat(64) };

function plan(
  evaluate: ConfigInput["evaluate"],
  testImages = 1000,
  sources: readonly NamedSource[] = [],
): ReturnType<typeof planMeasures> {
  const { evaluate: config } = configSchema.parse({ evaluate });
  return planMeasures({
    config,
    network,
    strengths: config.strengths ?? network.strengths,
    testImages,
    samples: 8,
    sources,
  });
}

describe("protocols", () => {
  test("paper is the release with its defects, corrected its twin without them", () => {
    const switches = (evaluate: ConfigInput["evaluate"], protocol: string): object[] =>
      plan(evaluate).flatMap(({ measure }) =>
        measure.how === "paper" && measure.protocol === protocol ? [measure.switches] : [],
      );
    assert.deepEqual(switches({}, "paper"), [RELEASED, RELEASED, RELEASED]);
    const both: ConfigInput["evaluate"] = { protocol: ["corrected", "paper"], bn: "eval", clip: true };
    assert.deepEqual(switches(both, "corrected"), [CORRECTED, CORRECTED, CORRECTED]);
    const changed = { ...RELEASED, bn: "eval", clip: true };
    assert.deepEqual(switches(both, "paper"), [changed, changed, changed]);
  });

  test("the modern one brings the paper's attack along, both ways, and METHOD.md's grids", () => {
    const measures = plan({ protocol: "modern" });
    const paper = measures.filter(({ measure }) => measure.how === "paper");
    assert.deepEqual(
      paper.map(({ measure }) => measure.how === "paper" && `${measure.protocol} ${measure.kind}`),
      ["paper adversarial", "corrected adversarial"],
    );
    const attacks = measures.filter(({ measure }) => measure.how === "attack");
    const grid = (norm: string): number[][] => [
      ...new Map(
        attacks
          .filter(({ measure }) => measure.how === "attack" && measure.norm === norm)
          .map(({ strengths }) => [strengths.join(), [...strengths]]),
      ).values(),
    ];
    assert.deepEqual(grid("linf"), [[0.1, 0.2, 0.25, 0.3], [0.5]]);
    assert.deepEqual(grid("l2"), [[1.5, 2]]);
  });

  for (const budget of ["quick", "standard", "full"] as const) {
    test(`every measure of the ${budget} budget is one that workers know`, () => {
      for (const { measure, images, passes, strengths } of plan({ protocol: "modern", budget }, 10_000, [
        PLAIN,
      ])) {
        assert.deepEqual(measureSchema.parse(JSON.parse(JSON.stringify(measure))), measure);
        const members = measure.how === "attack" || measure.how === "diagnostics" ? measure.members : [];
        for (const { attack, options } of members) attackOptions(attackNamed(attack), options);
        assert.ok(images >= 1 && passes >= 1);
        assert.ok(strengths.every((strength, i) => i === 0 || strength > (strengths[i - 1] ?? 1)));
      }
    });
  }

  test("a larger budget looks at more images and spends more on each", () => {
    const cost = (budget: "quick" | "standard" | "full"): number =>
      plan({ protocol: "modern", budget }, 10_000)
        .filter(({ measure }) => measure.how === "attack")
        .reduce((sum, { images, passes }) => sum + images * passes, 0);
    assert.ok(cost("quick") * 5 < cost("standard"));
    assert.ok(cost("standard") * 2 < cost("full"));
  });

  test("a second network brings transfer attacks to every budget, and none to the planted model", () => {
    const transfers = (evaluate: ConfigInput["evaluate"], ...sources: NamedSource[]): unknown[] =>
      plan({ protocol: "modern", ...evaluate }, 1000, sources).flatMap(({ measure }) =>
        measure.how === "attack" && measure.source !== undefined ? [[measure.name, measure.source]] : [],
      );
    const sourceOf = ({ model, weights_sha256 }: NamedSource): object => ({ model, weights_sha256 });
    const [fromPlain, fromOther] = [sourceOf(PLAIN), sourceOf(OTHER)];
    for (const budget of ["quick", "standard", "full"] as const) {
      assert.deepEqual(transfers({ budget }), []);
      assert.deepEqual(transfers({ budget }, PLAIN), [
        ["transfer-from-plain", fromPlain],
        ["transfer-momentum-from-plain", fromPlain],
      ]);
    }
    assert.deepEqual(transfers({ attacks: ["pgd-5", "transfer@l2"] }, PLAIN, OTHER), [
      ["transfer-from-plain", fromPlain],
      ["transfer-from-other", fromOther],
    ]);
    const wide: NamedSource = { ...PLAIN, settings: { activation_width: 2 } };
    assert.deepEqual(transfers({ attacks: ["transfer"] }, wide), [
      ["transfer-from-plain", { ...fromPlain, settings: { activation_width: 2 } }],
    ]);
    // A network that is trained beside this one may not be there yet.
    assert.deepEqual(transfers({ attacks: ["pgd-5", "transfer"], transfer_from: "plain" }), []);
    const planted = plan({ protocol: "modern" }, 1000, [PLAIN]).find(
      ({ measure }) => measure.how === "diagnostics",
    );
    assert.ok(planted?.measure.how === "diagnostics" && planted.measure.members.length > 5);
    assert.ok(planted.measure.members.every(({ attack }) => attack !== "transfer"));
  });

  test("a second network without the modern protocol is refused, for nothing would use it", () => {
    assert.throws(() => plan({ transfer_from: "plain" }), /of the modern protocol, which is not asked for/);
  });

  test("a test set without images is refused", () => {
    assert.throws(() => plan({}, 0), /Cannot evaluate: the test set has no images/);
  });
});

describe("attacks by name", () => {
  test("steps, loss, restarts and norm stand in the name", () => {
    const { members, norm, name, carry } = attackMeasure("pgd-100-margin-x10@l2");
    assert.deepEqual(
      { members, norm, name, carry },
      {
        members: [{ attack: "pgd", options: { steps: 100, loss: "margin", restarts: 10 } }],
        norm: "l2",
        name: "pgd-100-margin-x10",
        carry: true,
      },
    );
    assert.equal(attackMeasure("ddn").norm, "l2", "the only norm it has");
    assert.equal(attackMeasure("fgsm").carry, false, "one step may overshoot");
    assert.deepEqual(attackMeasure("fgsm-random-start").members[0]?.options, { random_start: 0.5 });
  });

  test("or all options in a map", () => {
    const measure = attackMeasure({ attack: "square", options: { queries: 7 }, norm: "l2", name: "few" });
    assert.deepEqual(measure, {
      how: "attack",
      name: "few",
      norm: "l2",
      members: [{ attack: "square", options: { queries: 7 } }],
      carry: true,
    });
  });

  test("what there is not is refused, with what there is", () => {
    assert.throws(() => attackMeasure("pdg"), /Unknown attack "pdg": did you mean "pgd"\?/);
    assert.throws(() => attackMeasure("pgd@l7"), /expected @linf or @l2/);
    assert.throws(() => attackMeasure("ddn@linf"), /knows no norm linf: expected l2/);
    assert.throws(() => attackMeasure("pgd-0"), /Option "steps" of attack "pgd"/);
    assert.throws(() => attackMeasure("nonsense-pgd"), /is for nonsense images/);
    assert.throws(() => attackMeasure("transfer"), /Attack "transfer" needs a second network to craft on/);
    assert.equal(attackMeasures("transfer", [PLAIN])[0]?.source?.weights_sha256, PLAIN.weights_sha256);
  });

  test("more steps, restarts and queries cost more", () => {
    const cost = (name: string): number => {
      const [member] = attackMeasure(name).members;
      assert.ok(member);
      return passesOf(member, 10);
    };
    assert.equal(cost("fgsm"), 4);
    assert.equal(cost("pgd-40"), 121);
    assert.equal(cost("pgd-40-x10"), 1201);
    assert.ok(cost("apgd-t") > 9 * cost("apgd-ce") - 10);
  });
});

describe("tasks", () => {
  test("cover every image of every measure once, cheap measures first", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 300 }), (images, batch) => {
        const measures = plan({ images, attack_batch: batch }, 2000);
        const tasks = planTasks({ ...SUBJECT, testImages: 2000 }, measures);
        assert.equal(new Set(tasks.map(({ id }) => id)).size, tasks.length);
        for (const { measure, images: wanted } of measures) {
          const own = tasks.filter((task) => task.measure === measure);
          let next = 0;
          for (const { firstImage, imageCount } of own) {
            assert.equal(firstImage, next);
            next += imageCount;
            const isLast = next === Math.min(wanted, 2000);
            if (measure.how === "paper" && !isLast) assert.equal(imageCount % batch, 0, "batches stay whole");
          }
          assert.equal(next, Math.min(wanted, 2000));
        }
        const costs = tasks.map(
          (task) => measures.find(({ measure }) => measure === task.measure)?.passes ?? 0,
        );
        assert.deepEqual(
          costs,
          [...costs].sort((a, b) => a - b),
        );
      }),
      { numRuns: 30 },
    );
  });

  test("have an id of everything that decides the outcome, and of nothing else", () => {
    const ids = (subject: Partial<EvaluatedWeights> = {}, evaluate: ConfigInput["evaluate"] = {}): string[] =>
      planTasks({ ...SUBJECT, ...subject }, plan({ images: 100, ...evaluate })).map(({ id }) => id);
    const usual = new Set(ids());
    const shared = (other: string[]): number => other.filter((id) => usual.has(id)).length;
    assert.equal(shared(ids({ checkpoint: "c" })), 0);
    assert.equal(shared(ids({ dataset: "c" })), 0);
    assert.equal(shared(ids({ seed: 2 })), 0);
    assert.equal(shared(ids({ settings: { activation_width: 2 } })), 0, "the same weights, another network");
    assert.equal(shared(ids({ settings: undefined })), usual.size);
    const crafted = (source: NamedSource): string[] => {
      const tasks = planTasks(
        SUBJECT,
        plan({ protocol: "modern", attacks: ["transfer"], images: 100 }, 1000, [source]),
      );
      return tasks.filter(({ attack }) => attack?.startsWith("transfer")).map(({ id }) => id);
    };
    const first = new Set(crafted(PLAIN));
    assert.ok(first.size > 0);
    const retrained = crafted({ ...PLAIN, weights_sha256: "c".repeat(64) });
    assert.equal(retrained.length, first.size);
    assert.ok(
      retrained.every((id) => !first.has(id)),
      "both checkpoints decide",
    );
    assert.ok(crafted({ ...PLAIN, name: "plain" }).every((id) => first.has(id)));
    // Clean images and the diagnosis are the same under every protocol.
    assert.ok(shared(ids({}, { bn: "eval" })) > 0);
    assert.ok(shared(ids({}, { bn: "eval" })) < usual.size);
    // A second protocol adds tasks and changes none.
    assert.equal(shared(ids({}, { protocol: ["paper", "corrected"] })), usual.size);
  });

  test("have another id with every version of the measures", () => {
    const identityOf = (version: readonly number[]): string =>
      createHash("sha256")
        .update(JSON.stringify([...version, ...identity]))
        .digest("hex")
        .slice(0, 24);
    const [task] = planTasks(SUBJECT, [cleanMeasure(100)]);
    assert.ok(task);
    const { id, sampleCount, patienceMs, passes, ...decides } = task;
    assert.ok(patienceMs > 0);
    const identity = [SUBJECT.checkpoint, SUBJECT.dataset, SUBJECT.seed, decides];
    assert.deepEqual([id, sampleCount, passes], [identityOf([MEASURES_VERSION]), 0, 100]);
    assert.notEqual(id, identityOf([MEASURES_VERSION + 1]));
    assert.notEqual(id, identityOf([]), "as it was before there were versions");
  });

  test("are small where images are costly, and may take longer", () => {
    const costly = plan({ protocol: "modern", attacks: ["pgd-100-x10"], images: 500 }).at(-1);
    const cheap = cleanMeasure(10_000);
    assert.ok(costly);
    assert.ok(taskImages(costly) < taskImages(cheap));
    assert.ok(taskImages(costly) >= 10);
    assert.ok(patienceMs(costly, taskImages(costly)) > patienceMs(cheap, taskImages(cheap)));
    assert.ok(patienceMs(costly, 500) <= 3_600_000);
  });

  test("have results that one message can hold, however many strengths there are", () => {
    const clean = cleanMeasure(10_000);
    for (const count of [1, 100, 300, 3000]) {
      const strengths = Array.from({ length: count }, (_, i) => i);
      const outcomes = count * taskImages({ ...clean, strengths });
      assert.ok(outcomes * 11 < 2 * 1024 * 1024, `${count} strengths`);
    }
    assert.equal(taskImages({ ...clean, strengths: [0] }), 1000);
  });
});
