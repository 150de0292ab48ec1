/** What a trial is called: a hash of everything that decides its numbers. */
import { createHash } from "node:crypto";
import { type Config, configSchema } from "../../shared/config/run.js";
import { marksOf } from "../../shared/config/setting.js";
import { totalSteps } from "../../shared/core/schedule.js";
import { DATA_SET_SIZES, type DataSetSize } from "../../shared/data-set-names.js";
import { resolveRun, stepPlan } from "../../shared/resolve.js";
import { planMeasures } from "../evaluation/plan/procedures.js";
import { decidingSettings } from "../runs/identity.js";
import { settingAt } from "../../shared/config/laid-settings.js";

/** These act through the length of the training and through the plan of the evaluation, which are hashed themselves. */
const ACTING_OTHERWISE: readonly string[] = [
  "train.epochs",
  "train.max_steps",
  ...["kinds", "protocol", "strengths", "l2_strengths", "images", "budget", "attacks"].map(evaluate),
  ...["attack_batch", "bn", "clip", "threshold", "ties"].map(evaluate),
];

function evaluate(key: string): string {
  return `evaluate.${key}`;
}

const MEASURING = [...marksOf(configSchema)]
  .filter(([path, decides]) => decides === "measurement" && !ACTING_OTHERWISE.includes(path))
  .map(([path]) => path)
  .sort();

/** 16 hexadecimal digits. Settings that act the same have the same. Throws ClusterError("config") for what cannot be. */
export function trialId(
  config: Config,
  code: string,
  size: DataSetSize = DATA_SET_SIZES[config.data.set],
): string {
  const resolved = resolveRun(config);
  const measures = planMeasures({
    config: config.evaluate,
    network: resolved.network,
    strengths: resolved.strengths,
    testImages: size.test,
    samples: 0,
  });
  const decisive = {
    weights: decidingSettings(config),
    steps: totalSteps(stepPlan(config, resolved, size.train)),
    measures: measures.map(({ measure, strengths, images }) => [measure, strengths, images]),
    measuring: MEASURING.map((path) => [path, settingAt(config, path)]).filter(
      ([, value]) => value !== undefined,
    ),
    code,
  };
  return createHash("sha256").update(JSON.stringify(decisive)).digest("hex").slice(0, 16);
}
