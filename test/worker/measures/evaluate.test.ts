// The engine that is there: what is measured must hold on any.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { labelOf } from "../../../coordinator/evaluation/plan/measures.js";
import { type EvaluationRecord, modelResult } from "../../../coordinator/evaluation/model-result.js";
import { planMeasures } from "../../../coordinator/evaluation/plan/procedures.js";
import { PartitionedDataset } from "../../../coordinator/io/datasets/dataset.js";
import { loadMnist, mnistDirectory } from "../../../coordinator/io/datasets/mnist.js";
import { findAddonPackage, hasAddon } from "../../../deploy/setup/addon.js";
import { configSchema } from "../../../shared/config/run.js";
import { initialParameters, tensorNamed } from "../../../shared/core/layout.js";
import { CORRECTED, type Measure, ORIGINS, type PaperSwitches, RELEASED } from "../../../shared/measures.js";
import { layoutOf } from "../../../shared/networks/network.js";
import { networkNamed } from "../../../shared/networks/registry.js";
import type { ModelResult } from "../../../shared/results.js";
import { resolveRun, stepPlan } from "../../../shared/resolve.js";
import { type Findings, evaluateTask } from "../../../worker/measures/evaluate.js";
import type { Subject } from "../../../worker/measures/task.js";
import type { StrengthOutcome } from "../../../worker/measures/outcome.js";
import { LocalTraining } from "../../../worker/training/local-training.js";
import { startPrograms } from "../../../worker/engine/start.js";
import { loadedProgram } from "../../support/programs.js";

const LIMIT = { timeout: 300_000 };
const SEED = 7;

process.env["TF_CPP_MIN_LOG_LEVEL"] ??= "3";
process.env["TF_NUM_INTRAOP_THREADS"] ??= "1";
process.env["TF_NUM_INTEROP_THREADS"] ??= "1";
const folder = findAddonPackage("@tensorflow/tfjs-node", process.env);
const isThere = folder !== undefined && hasAddon(folder);
const programs = await startPrograms(isThere ? "tensorflow" : "wasm");
const { dataset, meanImage } = new PartitionedDataset(
  await loadMnist(mnistDirectory(undefined, process.env).directory),
);
const imageSize = meanImage.length;
const test60 = {
  pixels: dataset.test.pixels.subarray(0, 60 * imageSize),
  labels: dataset.test.labels.subarray(0, 60),
  count: 60,
  imageSize,
};

/** The weights of a net after some steps on MNIST. */
function trained(model: string, steps: number): Float32Array {
  const config = configSchema.parse({
    model,
    seed: SEED,
    train: { batch_size: 50, slots: 1, learning_rate: 0.02, max_steps: steps, epochs: 1 },
  });
  const run = resolveRun(config);
  const layout = layoutOf(run.network);
  const program = programs.create(run.network, layout);
  const { pixels, labels } = dataset.train;
  const training = new LocalTraining(
    {
      program,
      plan: stepPlan(config, run, labels.length),
      images: {
        seed: SEED,
        images: { pixels, labels, count: labels.length, imageSize },
        realCount: labels.length,
        realClasses: 10,
        mean: meanImage,
        augmentation: run.network.augmentation,
      },
    },
    initialParameters(layout, SEED),
    { seed: SEED, stages: run.train.stages, momentum: 0.9, weightDecay: run.train.weightDecay },
  );
  while (training.step < steps) training.advance();
  program.dispose();
  return training.parameters;
}

/** The last layer times `factor`: the same answers, and a loss that saturates. */
function scaledHead(model: string, parameters: Float32Array, factor: number): Float32Array {
  const layout = layoutOf(networkNamed("mnist", model));
  const scaled = parameters.slice();
  for (const name of ["fc/weight", "fc/bias"]) {
    const { offset, size } = tensorNamed(layout, name);
    for (let i = offset; i < offset + size; i++) scaled[i] = factor * (scaled[i] as number);
  }
  return scaled;
}

function subjectOf(model: string, parameters: Float32Array): Subject {
  const network = networkNamed("mnist", model);
  return { program: loadedProgram(programs, network, parameters), test: test60, mean: meanImage };
}

function measured(subject: Subject, measure: Measure, strengths: readonly number[], images = 20): Findings {
  return evaluateTask(subject, {
    measure,
    strengths,
    firstImage: 0,
    imageCount: images,
    seed: SEED,
    sampleCount: 1,
  });
}

const plainWeights = trained("plain", 150);

describe("gradient masking", () => {
  /** FGSM, PGD and Square, as a run would plan them. */
  function evaluated(parameters: Float32Array): ModelResult {
    const subject = subjectOf("plain", parameters);
    const config = configSchema.parse({
      evaluate: {
        protocol: "modern",
        strengths: [0.2, 0.3],
        images: 40,
        attacks: ["fgsm", "pgd-20", { attack: "square", options: { queries: 300 } }],
      },
    });
    const plan = planMeasures({
      config: config.evaluate,
      network: subject.program.network,
      strengths: [0, 0.2, 0.3],
      testImages: test60.count,
      samples: 0,
    });
    const records = plan.map(({ measure, strengths, images }): EvaluationRecord => {
      const imageCount = Math.min(images, test60.count);
      const task = { ...labelOf(measure), measure, firstImage: 0, imageCount };
      const { outcomes, diagnostics } = measured(subject, measure, strengths, imageCount);
      return { task, outcomes, ...(diagnostics === undefined ? {} : { diagnostics }) };
    });
    subject.program.dispose();
    return modelResult({ name: "plain", realClasses: 10, samplesPerSecond: 0, everything: 0.5 }, records);
  }

  test("planted by a head that saturates: the result is unreliable, and says why", LIMIT, () => {
    const result = evaluated(scaledHead("plain", plainWeights, 2000));

    const failures = (result.checks ?? [])
      .filter(({ status }) => status === "failed")
      .map(({ number }) => number);
    assert.ok(failures.includes(4), JSON.stringify(result.checks, null, 2));
    assert.ok(failures.includes(3), JSON.stringify(result.checks, null, 2));
    assert.ok(result.unreliable?.some((reason) => /^check 4, gradients do not vanish: /.test(reason)));
    const pgd = result.curves.filter((point) => point.attack === "pgd-20");
    assert.equal(pgd.length, 2);
    assert.ok(pgd.every(({ unreliable }) => (unreliable?.length ?? 0) >= 2));
    // What deceives: the curve looks robust where the same net is not.
    assert.ok((pgd.at(-1)?.error ?? 1) < 0.6, `PGD breaks ${pgd.at(-1)?.error} of a masked net`);
  });

  test("absent: the same net as it was trained passes, and falls", LIMIT, () => {
    const result = evaluated(plainWeights);

    assert.deepEqual(result.unreliable, [], JSON.stringify(result.checks, null, 2));
    const pgd = result.curves.filter((point) => point.attack === "pgd-20").at(-1);
    assert.ok((pgd?.error ?? 0) >= 0.99, `PGD breaks ${pgd?.error} at 0.3`);
  });
});

describe("a defect of the released evaluation is a switch", () => {
  const paper = (
    kind: "adversarial" | "nonsense" | "noisy",
    switches: Partial<PaperSwitches> = {},
  ): Measure => ({
    how: "paper",
    protocol: "paper",
    kind,
    switches: { ...RELEASED, ...switches },
    attack_batch: 20,
  });
  let subject: Subject;
  before(() => {
    subject = subjectOf("plain", plainWeights);
  });

  test("clipping: a black pixel that is made darker stays black", () => {
    const [free] = measured(subject, paper("noisy"), [0.25]).outcomes as [StrengthOutcome];
    const [clipped] = measured(subject, paper("noisy", { clip: true }), [0.25]).outcomes as [StrengthOutcome];
    const size = 0.25 + 1e-6;
    assert.ok(free.distances.every((distance) => Math.abs(distance - 0.25) < 1e-5));
    assert.ok(clipped.distances.every((distance) => distance > 0.2 && distance < size));
    assert.notDeepEqual(free.confidences, clipped.confidences);
  });

  test("the threshold: raw outputs above 0.5 claim a class, or probabilities do", () => {
    const rules = ["released", "probability"] as const;
    const [raw, probability] = rules.map(
      (threshold) =>
        measured(subject, paper("nonsense", { threshold, bn: "eval" }), [0]).outcomes[0] as StrengthOutcome,
    ) as [StrengthOutcome, StrengthOutcome];
    assert.deepEqual(raw.predictions, probability.predictions);
    assert.deepEqual(raw.confidences, probability.confidences);
    assert.deepEqual(
      [...probability.wrong],
      [...probability.confidences].map((share) => Number(share > 0.5)),
    );
    const sum = (flags: Uint8Array): number => flags.reduce((total, flag) => total + flag, 0);
    assert.ok(sum(raw.wrong) >= sum(probability.wrong));
    // Logits of ten classes that sum to what they like: the largest is hardly ever below 0.5.
    assert.ok(sum(raw.wrong) > 0);
  });

  test("ties: where all RBF outputs underflow, the first class wins, or the nearest", LIMIT, () => {
    const distant = subjectOf("rbf", scaledHead("rbf", trained("rbf", 40), 1e5));
    const [released] = measured(distant, paper("noisy"), [0]).outcomes as [StrengthOutcome];
    const [stable] = measured(distant, paper("noisy", { ties: "stable" }), [0]).outcomes as [StrengthOutcome];
    distant.program.dispose();
    assert.deepEqual(
      [...released.confidences],
      Array.from({ length: 20 }, () => 0),
    );
    assert.deepEqual(
      [...released.predictions],
      Array.from({ length: 20 }, () => 0),
    );
    assert.ok(new Set(stable.predictions).size > 1, "all images are nearest to one class");
  });

  test("batch norm: the corrected gradient does not depend on the batch", () => {
    const one = measured(subject, { ...paper("adversarial", CORRECTED) }, [0.1], 10).outcomes;
    const other = measured(subject, { ...paper("adversarial", CORRECTED) }, [0.1], 20).outcomes;
    assert.deepEqual(one[0]?.predictions, other[0]?.predictions.slice(0, 10));
    const released = measured(subject, paper("adversarial"), [0.1], 20).outcomes;
    assert.notDeepEqual(released[0]?.confidences, other[0]?.confidences);
  });
});

describe("an attack", () => {
  const pgd = (carry: boolean): Measure => ({
    how: "attack",
    name: "pgd-5",
    norm: "linf",
    members: [{ attack: "pgd", options: { steps: 5 } }],
    carry,
  });
  const STRENGTHS = [0.05, 0.15, 0.3];

  test("leaves alone what a smaller change broke, and says so", LIMIT, () => {
    const subject = subjectOf("plain", plainWeights);
    // What an engine derives from the weights, it keeps as long as them.
    measured(subject, pgd(true), [0.1], 4);
    const tensors = programs.living().tensors;
    const carried = measured(subject, pgd(true), STRENGTHS).outcomes;
    const fresh = measured(subject, pgd(false), STRENGTHS).outcomes;
    assert.equal(programs.living().tensors, tensors);
    subject.program.dispose();

    carried.forEach(({ wrong, origins, distances, strength }, s) => {
      const before = carried[s - 1];
      wrong.forEach((flag, i) => {
        const origin = origins[i] as number;
        assert.equal(flag === 1, origin !== ORIGINS.standing);
        if (before?.wrong[i] !== 1) return;
        assert.equal(flag, 1, "broken stays broken");
        assert.ok(origin === ORIGINS.carried || origin === ORIGINS.initial);
        assert.equal(distances[i], before.distances[i], "the smaller change is kept");
      });
      assert.ok(distances.every((distance) => distance <= strength + 1e-6));
    });
    // Fresh attacks at a larger strength make larger changes.
    const last = fresh.at(-1) as StrengthOutcome;
    assert.ok(last.origins.every((origin) => origin !== ORIGINS.carried));
    assert.ok(last.distances.some((distance) => distance > 0.25));
    assert.ok(last.wrong.filter((flag) => flag === 1).length >= 18, "an undefended net falls at 0.3");
  });

  test("that looks for the smallest change runs once; a strength breaks what lies within it", LIMIT, () => {
    const subject = subjectOf("plain", plainWeights);
    const members = [{ attack: "ddn", options: { steps: 30 } }];
    const measure: Measure = { how: "attack", name: "ddn", norm: "l2", members, carry: true };
    const outcomes = measured(subject, measure, [0.5, 1, 4], 10).outcomes;
    subject.program.dispose();
    const last = outcomes.at(-1) as StrengthOutcome;
    for (const { strength, wrong, distances } of outcomes) {
      distances.forEach((distance, i) => {
        assert.equal(wrong[i] === 1, distance <= strength, `image ${i}: ${distance} at ${strength}`);
        assert.ok(
          Math.abs(distance - (last.distances[i] as number)) < 1e-3,
          "the distance is the image's own",
        );
      });
    }
  });

  test("from a second network: its gradients decide what is found, and the ball holds it", LIMIT, () => {
    const subject = subjectOf("plain", plainWeights);
    const twin = subjectOf("plain", plainWeights);
    const stranger = subjectOf("mrelu", initialParameters(layoutOf(networkNamed("mnist", "mrelu")), SEED));
    const members = [{ attack: "transfer", options: { steps: 10 } }];
    const source = { model: "plain", weights_sha256: "0".repeat(64) };
    const measure: Measure = { how: "attack", name: "t", norm: "linf", members, carry: true, source };
    const brokenFrom = (from: Subject): number => {
      const [outcome] = measured({ ...subject, source: from.program }, measure, [0.2]).outcomes as [
        StrengthOutcome,
      ];
      assert.ok(outcome.distances.every((distance) => distance <= 0.2 + 1e-6));
      return outcome.origins.filter((origin) => origin === ORIGINS.member).length;
    };
    const [fromTwin, fromStranger] = [brokenFrom(twin), brokenFrom(stranger)];
    assert.ok(fromTwin >= 15, `${fromTwin} of 20 fall to what its own gradients make`);
    assert.ok(fromStranger < fromTwin / 2, `${fromStranger} fall to an untrained network's gradients`);
    assert.throws(() => measured(subject, measure, [0.2]), /needs a source network to craft on/);
    for (const { program } of [subject, twin, stranger]) program.dispose();
  });

  test("that there is not is refused by name", () => {
    const subject = subjectOf("plain", plainWeights);
    const members = [{ attack: "pdg", options: {} }];
    assert.throws(
      () => measured(subject, { how: "attack", name: "x", norm: "linf", members, carry: true }, [0.1]),
      /Unknown attack "pdg": did you mean "pgd"\?/,
    );
    subject.program.dispose();
  });
});

test("every measure of the quick budget can be made, and its findings fit", LIMIT, () => {
  const subject = subjectOf(
    "mrelu-r-m",
    initialParameters(layoutOf(networkNamed("mnist", "mrelu-r-m")), SEED),
  );
  const config = configSchema.parse({ evaluate: { protocol: ["paper", "corrected", "modern"] } });
  const plan = planMeasures({
    config: config.evaluate,
    network: subject.program.network,
    strengths: [0, 0.2],
    testImages: test60.count,
    samples: 0,
  });
  // The walks themselves are tested elsewhere; here what is planned must be known to the worker.
  for (const { measure, strengths } of plan) {
    if (measure.how === "attack" || (measure.how === "nonsense" && measure.member !== undefined)) continue;
    const { outcomes, diagnostics } = measured(
      subject,
      measure.how === "diagnostics" ? { ...measure, members: [] } : measure,
      strengths,
      4,
    );
    assert.equal(outcomes.length, measure.how === "diagnostics" ? 0 : strengths.length);
    assert.equal(diagnostics !== undefined, measure.how === "diagnostics");
    for (const { predictions, confidences, wrong } of outcomes) {
      assert.deepEqual([predictions.length, confidences.length, wrong.length], [4, 4, 4]);
      assert.ok(confidences.every((share) => share >= 0 && share <= 1));
    }
  }
  subject.program.dispose();
});
