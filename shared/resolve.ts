/** From a run's settings to everything that depends on the model: the paper's values where the file says nothing. */
import type { Config } from "./config/run.js";
import type { StepPlan } from "./core/schedule.js";
import { ClusterError } from "./errors.js";
import type { Network } from "./networks/network.js";
import { networkNamed } from "./networks/registry.js";
import { withSettings } from "./networks/settings.js";

export interface ResolvedRun {
  name: string;
  network: Network;
  seed: number;
  train: {
    epochs: number;
    batchSize: number;
    slots: number;
    stages: { rate: number; epochs: number }[];
    momentum: number;
    weightDecay: number;
  };
  strengths: readonly number[];
}

const resolved = new WeakMap<Config, ResolvedRun>();

/** Once for the same settings. Throws ClusterError("config") for an unknown model and for values that cannot go together. */
export function resolveRun(config: Config): ResolvedRun {
  const known = resolved.get(config) ?? resolve(config);
  resolved.set(config, known);
  return known;
}

function resolve(config: Config): ResolvedRun {
  const paper = networkNamed(config.data.set, config.model);
  const network = withRounds(withSettings(paper, config.network), config.train.adversarial_rounds);
  const { recipe } = network;
  const batchSize = config.train.batch_size ?? recipe.batchSize;
  const { slots } = config.train;
  if (slots > batchSize) {
    throw new ClusterError(
      "config",
      `train.slots (${slots}) must not exceed train.batch_size (${batchSize}): a slot needs an image`,
    );
  }
  const stages = config.train.learning_rate ?? recipe.stages;
  const epochs = config.train.epochs ?? recipe.epochs;
  return {
    name: config.name ?? network.name,
    network,
    seed: config.seed,
    train: {
      epochs,
      batchSize,
      slots,
      stages: typeof stages === "number" ? [{ rate: stages, epochs }] : stages,
      momentum: config.train.momentum,
      weightDecay: config.train.weight_decay ?? recipe.weightDecay,
    },
    strengths: config.evaluate.strengths ?? network.strengths,
  };
}

/**
 * The settings as they act: the model by its own name, the paper's values filled in. Those of `network` that have the paper's
 * value are left out instead, and so is the codec that rounds nothing: runs of before there were any keep their identity.
 */
export type ActingSettings = Omit<Config, "train"> & {
  train: Omit<Config["train"], "codec"> & { codec: "bf16" | undefined };
};

export function actingSettings(config: Config): ActingSettings {
  const { network, train } = resolveRun(config);
  const last = train.stages.length - 1;
  return {
    ...config,
    model: network.name,
    network: network.settings,
    train: {
      ...config.train,
      batch_size: train.batchSize,
      codec: config.train.codec === "fp32" ? undefined : config.train.codec,
      // The last stage goes on for ever, whatever length it has.
      learning_rate: train.stages.map(({ rate, epochs }, i) => ({
        rate,
        epochs: i === last ? Infinity : epochs,
      })),
      weight_decay: train.weightDecay,
    },
  };
}

function withRounds(network: Network, rounds: number | undefined): Network {
  if (rounds === undefined) return network;
  const { adversarial } = network.augmentation;
  if (adversarial === undefined) {
    throw new ClusterError(
      "config",
      `train.adversarial_rounds is for flag A, which "${network.name}" does not have`,
    );
  }
  return {
    ...network,
    augmentation: { ...network.augmentation, adversarial: { ...adversarial, rounds } },
  };
}

/** Images of one epoch: real ones, then the synthetic pools of mean training. */
export function trainingImages(config: Config, network: Network, realImages: number): number {
  const real = Math.min(config.train.limit_images ?? realImages, realImages);
  return real + syntheticImages(network);
}

/** Images that flag M (mean training) adds to each epoch: copies and noise. */
export function syntheticImages({ augmentation: { mean } }: Network): number {
  return mean === undefined ? 0 : mean.copies + mean.noise;
}

/** The arithmetic of a run's steps. Throws ClusterError("config") when a step would leave a slot without an image. */
export function stepPlan(config: Config, run: ResolvedRun, realImages: number): StepPlan {
  const images = trainingImages(config, run.network, realImages);
  const last = images % run.train.batchSize;
  if (last !== 0 && last < run.train.slots) {
    throw new ClusterError(
      "config",
      `The last step of an epoch would have ${last} images for ${run.train.slots} slots: choose another train.batch_size`,
    );
  }
  return {
    images,
    batchSize: run.train.batchSize,
    slots: run.train.slots,
    codec: config.train.codec,
    epochs: run.train.epochs,
    maxSteps: config.train.max_steps,
  };
}
