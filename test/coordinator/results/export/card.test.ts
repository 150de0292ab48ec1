import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { cardFormat, cardOf } from "../../../../coordinator/results/export/card.js";
import type { CurvePoint } from "../../../../shared/results.js";
import { configSchema } from "../../../../shared/config/run.js";
import { resolveRun } from "../../../../shared/resolve.js";
import { CURVES, WEIGHTS, measuredRun, pointOf } from "../../../support/exported-runs.js";

/** RobustBench's own keys. */
const FIELDS = [
  ...["link", "name", "authors", "additional_data", "number_forward_passes", "dataset", "venue"],
  ...["architecture", "eps", "clean_acc", "reported", "autoattack_acc", "external", "footnote", "unreliable"],
];

const as = (attack: string, more: Partial<CurvePoint> = {}): Partial<CurvePoint> => ({
  protocol: "modern",
  attack,
  ...more,
});

test("a card has RobustBench's fields, and behind them each point with its interval", () => {
  const card = cardOf(measuredRun(CURVES));
  assert.deepEqual(
    FIELDS.filter((field) => !(field in card)),
    [],
  );
  assert.deepEqual([card.dataset, card.eps, card.clean_acc], ["mnist", 0.3, "98.00"]);
  const [weak, strong] = card.robustness as Record<string, unknown>[];
  assert.deepEqual(weak, {
    ...{ kind: "adversarial", protocol: "paper", attack: "adversarial", norm: "linf", strength: 0.1, n: 200 },
    ...{ accuracy: 0.9, ci_low: 0.85, ci_high: 0.95, mean_confidence: 0.1, unreliable: [] },
  });
  assert.equal(strong?.attack, "pgd-40");
  assert.equal(card.lowest_acc_measured, "25.00");
});

test("a card says what makes the network another than the paper's", () => {
  const config = configSchema.parse({
    model: "mrelu",
    network: { channels: [1, 1, 1], activation_width: 2 },
  });
  const { network } = resolveRun(config);
  const card = cardOf(measuredRun(CURVES, { config, network }));
  assert.equal(card.architecture, "mrelu (channels 1, 1, 1; activation_width 2)");
  assert.equal(cardOf(measuredRun(CURVES)).architecture, "mrelu");
  const training = card.training as { config: string };
  assert.deepEqual(resolveRun(configSchema.parse(parse(training.config))).network, network);
});

test("a card claims nothing that was not measured", () => {
  const card = cardOf(measuredRun([pointOf("clean", 0, 4), pointOf("adversarial", 0.1, 20)]));
  assert.deepEqual([card.autoattack_acc, card.lowest_acc_measured, card.reported], [null, null, null]);
  assert.deepEqual(card.not_measured, [
    "AutoAttack",
    "any attack at the reference strength `eps`",
    "L2 attacks",
  ]);
  assert.match(card.footnote as string, /one-step/);
  const nothing = cardOf(measuredRun([pointOf("clean", 0, 4)]));
  assert.deepEqual(nothing.robustness, []);
  assert.match(nothing.footnote as string, /nothing is known/);
});

test("AutoAttack's accuracy is its own at the reference strength, the lowest that of any attack there", () => {
  const card = cardOf(
    measuredRun([
      pointOf("clean", 0, 4),
      pointOf("adversarial", 0.25, 199, as("autoattack")),
      pointOf("adversarial", 0.3, 120, as("autoattack")),
      pointOf("adversarial", 0.3, 140, as("pgd-40")),
      pointOf("adversarial", 0.3, 190, as("fab", { norm: "l2" })),
    ]),
  );
  assert.deepEqual([card.autoattack_acc, card.lowest_acc_measured], ["40.00", "30.00"]);
  assert.deepEqual(card.not_measured, []);
});

test("a card is unreliable where a check failed, and where a stronger attack does less", () => {
  const failed = cardOf(measuredRun(CURVES));
  assert.equal(failed.unreliable, true);
  assert.deepEqual(failed.unreliable_reasons, ['gradients vanish, "masked"', "Square is stronger"]);
  const falling = cardOf(
    measuredRun([pointOf("clean", 0, 4), pointOf("adversarial", 0.1, 150), pointOf("adversarial", 0.3, 20)]),
  );
  assert.equal(falling.unreliable, true);
  assert.match((falling.unreliable_reasons as string[])[0] ?? "", /falls from 75/);
  const sound = cardOf(measuredRun([pointOf("clean", 0, 4), pointOf("adversarial", 0.1, 20)]));
  assert.deepEqual([sound.unreliable, sound.unreliable_reasons], [false, []]);
});

test("the settings in a card make the same run again, and its weights are named", () => {
  const run = measuredRun(CURVES);
  const training = cardOf(run).training as { config: string; checkpoint_sha256: string; seed: number };
  assert.deepEqual(configSchema.parse(parse(training.config)), run.config);
  assert.deepEqual([training.checkpoint_sha256, training.seed], [WEIGHTS, run.config.seed]);
});

test("a card is of one run, and of one that was measured", () => {
  assert.ok(cardFormat.of === "runs" && cardFormat.makes === "file");
  const { render } = cardFormat;
  const run = measuredRun(CURVES);
  assert.throws(() => render([run, run], { perImage: false }), /one card of 2 runs/);
  assert.throws(() => render([{ ...run, result: null }], { perImage: false }), /nothing was measured/);
});
