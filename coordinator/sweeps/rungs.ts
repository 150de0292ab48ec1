/** How far a trial goes before others decide whether it goes on: rungs in training images seen. */
import { type Config, configSchema } from "../../shared/config/run.js";
import { type StepPlan, stepsPerEpoch, totalSteps } from "../../shared/core/schedule.js";
import { resolveRun, stepPlan } from "../../shared/resolve.js";
import type { Space } from "./space-shape.js";

export interface Rung {
  /** Trained to the rung's end, and evaluated as is usual there. */
  config: Config;
  /** The trial is done behind it. */
  last: boolean;
  /** Training images seen at its end. */
  samples: number;
}

/** Each rung is so many times as long as the one before; beyond the trial's own length, it is the last. Throws ClusterError("config"). */
export function rungConfig(space: Space, config: Config, rung: number): Rung {
  const plan = stepPlan(config, resolveRun(config), space.sizeOf(config.data.set).train);
  const whole = totalSteps(plan);
  const { stopping } = space.spec;
  const wanted = stopping === undefined ? Infinity : stopping.first_samples * stopping.factor ** rung;
  const steps = stepsFor(plan, wanted);
  if (steps >= whole) return { config, last: true, samples: samplesAfter(plan, whole) };
  return {
    config: {
      ...config,
      train: { ...config.train, max_steps: steps },
      evaluate: earlyEvaluation(config.evaluate, stopping?.evaluate),
    },
    last: false,
    samples: samplesAfter(plan, steps),
  };
}

/** With the settings for low rungs over the trial's own; `null` takes one away. */
function earlyEvaluation(
  evaluate: Config["evaluate"],
  early: Readonly<Record<string, unknown>> | undefined,
): Config["evaluate"] {
  if (early === undefined) return evaluate;
  const said = Object.entries({ ...evaluate, ...early }).filter(([, value]) => value !== null);
  return configSchema.parse({ evaluate: Object.fromEntries(said) }).evaluate;
}

/** Images that so many steps have seen; an epoch's last step may be short. */
export function samplesAfter(plan: StepPlan, steps: number): number {
  const perEpoch = stepsPerEpoch(plan);
  const epochs = Math.floor(steps / perEpoch);
  return epochs * plan.images + Math.min(plan.images, (steps - epochs * perEpoch) * plan.batchSize);
}

/** Fewest steps that see so many images. */
function stepsFor(plan: StepPlan, samples: number): number {
  if (!Number.isFinite(samples)) return Infinity;
  const epochs = Math.floor(samples / plan.images);
  return epochs * stepsPerEpoch(plan) + Math.ceil((samples - epochs * plan.images) / plan.batchSize);
}
