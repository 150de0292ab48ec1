/** All settings of a trial as it was trained with them: the base's, its values over them, defaults, and what the network's own recipe says. */
import { type Settings, withValues } from "../../../shared/config/laid-settings.js";
import { type Config, configSchema } from "../../../shared/config/run.js";
import { resolveRun } from "../../../shared/resolve.js";
import { ClusterError } from "../../../shared/errors.js";
import type { Values } from "../../../shared/records/sweep-line.js";

/** Undefined where they cannot go together: such a trial has failed. */
export function trialSettings(settings: Settings, values: Values): Config | undefined {
  try {
    const { data } = configSchema.safeParse(withValues(settings, values));
    return data && resolved(data);
  } catch (error) {
    if (error instanceof ClusterError) return undefined;
    throw error;
  }
}

function resolved(config: Config): Config {
  const { network, train, strengths } = resolveRun(config);
  return {
    ...config,
    model: network.name,
    train: {
      ...config.train,
      epochs: train.epochs,
      batch_size: train.batchSize,
      learning_rate: config.train.learning_rate ?? [...train.stages],
      weight_decay: train.weightDecay,
    },
    evaluate: { ...config.evaluate, strengths: [...strengths] },
  };
}
