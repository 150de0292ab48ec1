/**
 * What is done to images before a network answers, and how its answer is scored, as data: the coordinator plans it,
 * task leases carry it, workers carry it out. Strengths are in units of the full pixel range (ε on [0, 1] pixels).
 */
import { z } from "zod";
import { networkSchema } from "./config/network.js";
import { NORMS, PERTURBATION_KINDS, PROCEDURES } from "./results.js";

/**
 * Version of what workers find under a measure; part of every task's id. Whoever mends an attack or a score raises it: what
 * was measured before is kept and measured again. A test pins what each version finds.
 */
export const MEASURES_VERSION = 1;

/** The defects of the paper's released evaluation, each on or off: METHOD.md 1.11. */
const paperSwitchesSchema = z.strictObject({
  /** Batch norm while the attack gradient is taken: of the attack batch (released), or as measured. */
  bn: z.enum(["train", "eval"]),
  /** Are attacked images clipped to the pixel range? The release does not. */
  clip: z.boolean(),
  /** What a net without nonsense classes must exceed 0.5 with to claim a class: its raw output (released), or its confidence. */
  threshold: z.enum(["released", "probability"]),
  /** Where all RBF outputs underflow, the first class is the answer (released); or outputs are compared before they do. */
  ties: z.enum(["released", "stable"]),
});
export type PaperSwitches = z.output<typeof paperSwitchesSchema>;

/** What the authors' code does. */
export const RELEASED: PaperSwitches = { bn: "train", clip: false, threshold: "released", ties: "released" };
/** The same evaluation without its defects. */
export const CORRECTED: PaperSwitches = { bn: "eval", clip: true, threshold: "probability", ties: "stable" };

/** One attack of the library (worker/attacks) with its options; the attack's own schema checks them. */
const attackCallSchema = z.strictObject({
  attack: z.string().min(1).max(64),
  options: z.record(z.string(), z.unknown()).default({}),
});
export type AttackCall = z.output<typeof attackCallSchema>;

/** A network that attacks craft on, to show the images to another one. Its weights are pulled by their hash. */
const sourceNetworkSchema = z.strictObject({
  /** Name of the network, on the data set of the one that is attacked. */
  model: z.string().min(1).max(64),
  /** What makes it another network than the paper's of that name. */
  settings: networkSchema,
  weights_sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type SourceNetwork = z.output<typeof sourceNetworkSchema>;

/** How an image under attack came to be wrong; from `member` on, the place of the attack that broke it. */
export const ORIGINS = { standing: 0, initial: 1, carried: 2, member: 3 } as const;

/** Where nonsense comes from: worker/core/nonsense-starts.ts. */
export const NONSENSE_STARTS = ["gaussian", "uniform", "constant", "shuffled"] as const;

/** Common corruptions, in severities 1 to 5: worker/core/corruptions.ts. A strength is a fifth of the severity. */
export const CORRUPTIONS = [
  "gaussian-noise",
  "shot-noise",
  "gaussian-blur",
  "contrast",
  "brightness",
  "rotation",
  "translation",
] as const;
export const CORRUPTION_STRENGTHS = [0.2, 0.4, 0.6, 0.8, 1];

/** Name of a series within its procedure and norm. */
const name = z.string().min(1).max(64);
const norm = z.enum(NORMS);

export const measureSchema = z.discriminatedUnion("how", [
  /** The images as they are. */
  z.strictObject({ how: z.literal("clean") }),
  /** The paper's own kinds, METHOD.md 1.11. */
  z.strictObject({
    how: z.literal("paper"),
    protocol: z.enum(PROCEDURES),
    kind: z.enum(PERTURBATION_KINDS).exclude(["clean"]),
    switches: paperSwitchesSchema,
    /** Images whose common statistics make the gradient, when batch norm is in training mode. */
    attack_batch: z.int().min(1).max(1000),
  }),
  /** Attacks in a ball around the image, one after another on those images that the ones before did not break. */
  z.strictObject({
    how: z.literal("attack"),
    name,
    norm,
    members: z.array(attackCallSchema).min(1).max(16),
    /** An image broken at one strength stays broken at larger ones without being attacked again. */
    carry: z.boolean(),
    /** Where transfer attacks craft. */
    source: sourceNetworkSchema.optional(),
  }),
  /** Images that show nothing, moved toward a real class by an attack; without one, as they are. */
  z.strictObject({
    how: z.literal("nonsense"),
    name,
    start: z.enum(NONSENSE_STARTS),
    member: attackCallSchema.optional(),
  }),
  /** Images of another data set, made to fit, which show none of the network's classes. Pulled by the hash of their bytes. */
  z.strictObject({
    how: z.literal("foreign"),
    name,
    pixels_sha256: z.string().regex(/^[0-9a-f]{64}$/),
    /** Of the first image of that data set's test images on. */
    images: z.int().min(1).max(10_000),
  }),
  /** What happens to images without an adversary. */
  z.strictObject({ how: z.literal("corruption"), corruption: z.enum(CORRUPTIONS) }),
  /** No images are scored: gradients, finite differences and planted models, for the sanity checks. */
  z.strictObject({ how: z.literal("diagnostics"), members: z.array(attackCallSchema).max(64) }),
]);
export type Measure = z.output<typeof measureSchema>;
export type AttackMeasure = Extract<Measure, { how: "attack" }>;
export type PaperMeasure = Extract<Measure, { how: "paper" }>;
export type NonsenseMeasure = Extract<Measure, { how: "nonsense" }>;
