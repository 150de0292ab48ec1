/**
 * Every attack once: name, what it needs to see of the network, its norms, its options. worker/attacks/ runs them.
 * Strengths and step sizes are on the [0, 1] pixel scale. Protocol and settings: METHOD.md 4.3.
 */
import { z } from "zod";
import { suggest } from "./core/suggest.js";
import { keysOf } from "./core/keys.js";
import { ClusterError } from "./errors.js";
import type { Norm } from "./results.js";

/** What an attacker sees: gradients, outputs, answers, another network's gradients, or nothing at all. */
export type Access = "white-box" | "score" | "decision" | "transfer" | "none";

export interface AttackDefinition {
  title: string;
  access: Access;
  norms: readonly Norm[];
  /** Looks for the smallest change, whatever ε is. */
  minimal?: true;
  /** Attacks images that show nothing: success is a real class's answer. */
  nonsense?: true;
  options: z.ZodType;
}

const BOTH: readonly Norm[] = ["linf", "l2"];

const steps = (count: number) =>
  z.int().min(1).max(10_000).default(count).describe("gradient steps of a run");
const restarts = (count: number) =>
  z.int().min(1).max(1000).default(count).describe("runs, each from its own random start");
const stepSize = z
  .number()
  .positive()
  .max(10)
  .optional()
  .describe(
    "length of a step (default: 2.5 ε / steps, which makes runs of different lengths different walks)",
  );
const loss = z
  .enum(["cross-entropy", "margin", "training"])
  .default("cross-entropy")
  .describe(
    "what is driven up: cross-entropy of the logits, largest wrong logit over the true one, training loss",
  );
const momentum = z.number().min(0).max(1).default(0).describe("share of the last direction in the next");
const randomStart = z.boolean().default(true).describe("start anywhere in the ball instead of at the image");
const targets = z
  .int()
  .min(1)
  .max(255)
  .optional()
  .describe("wrong classes aimed at, the likeliest first (default: all, nonsense classes too)");
const queries = (count: number) =>
  z
    .int()
    .min(1)
    .max(1_000_000)
    .default(count)
    .describe("images shown to the network, for each image and run");

const surrogate = z
  .enum(["tent", "rbf"])
  .default("rbf")
  .describe("slope of a suppressed unit while walking back: that of a wide tent, or of a wide RBF");
const surrogateWidth = z
  .number()
  .gt(1)
  .max(100)
  .default(3)
  .describe("half width of that slope, in half widths of the unit itself");

export const ATTACKS = {
  fgsm: {
    title: "FGSM",
    access: "white-box",
    norms: BOTH,
    options: z.strictObject({
      loss,
      random_start: z
        .number()
        .min(0)
        .max(1)
        .default(0)
        .describe("share of ε that a random start may use; the step has the full ε"),
      restarts: restarts(1),
    }),
  },
  pgd: {
    title: "PGD",
    access: "white-box",
    norms: BOTH,
    options: z.strictObject({
      steps: steps(40),
      restarts: restarts(1),
      step_size: stepSize,
      loss,
      momentum,
      random_start: randomStart,
    }),
  },
  "pgd-targeted": {
    title: "targeted PGD",
    access: "white-box",
    norms: BOTH,
    options: z.strictObject({ steps: steps(40), restarts: restarts(1), step_size: stepSize, targets }),
  },
  "apgd-ce": {
    title: "APGD, cross-entropy",
    access: "white-box",
    norms: BOTH,
    options: z.strictObject({ steps: steps(100), restarts: restarts(1) }),
  },
  "apgd-dlr": {
    title: "APGD, difference of logits ratio",
    access: "white-box",
    norms: BOTH,
    options: z.strictObject({ steps: steps(100), restarts: restarts(1) }),
  },
  "apgd-t": {
    title: "APGD, targeted difference of logits ratio",
    access: "white-box",
    norms: BOTH,
    options: z.strictObject({ steps: steps(100), restarts: restarts(1), targets }),
  },
  "fab-t": {
    title: "FAB, targeted",
    access: "white-box",
    norms: BOTH,
    minimal: true,
    options: z.strictObject({ steps: steps(100), restarts: restarts(1), targets }),
  },
  ddn: {
    title: "decoupled direction and norm",
    access: "white-box",
    norms: ["l2"],
    minimal: true,
    options: z.strictObject({
      steps: steps(300),
      initial: z.number().positive().max(100).default(1).describe("norm of the first step"),
      gamma: z
        .number()
        .gt(0)
        .lt(1)
        .default(0.05)
        .describe("by which share the norm grows or shrinks in a step"),
    }),
  },
  square: {
    title: "Square",
    access: "score",
    norms: BOTH,
    options: z.strictObject({
      queries: queries(5000),
      restarts: restarts(1),
      share: z
        .number()
        .gt(0)
        .max(1)
        .default(0.8)
        .describe("share of the pixels that the first squares cover"),
    }),
  },
  "hop-skip-jump": {
    title: "HopSkipJump",
    access: "decision",
    norms: BOTH,
    minimal: true,
    options: z.strictObject({
      queries: queries(10_000),
      initial_queries: z
        .int()
        .min(2)
        .max(10_000)
        .default(100)
        .describe("draws of the first gradient estimate"),
    }),
  },
  "random-search": {
    title: "random search",
    access: "decision",
    norms: BOTH,
    options: z.strictObject({ queries: queries(10_000) }),
  },
  transfer: {
    title: "transfer",
    access: "transfer",
    norms: BOTH,
    options: z.strictObject({
      steps: steps(100),
      restarts: restarts(1),
      step_size: stepSize,
      loss,
      momentum,
      random_start: randomStart,
    }),
  },
  "surrogate-pgd": {
    title: "PGD over surrogate slopes",
    access: "white-box",
    norms: BOTH,
    options: z.strictObject({
      steps: steps(100),
      restarts: restarts(1),
      step_size: stepSize,
      loss: loss.default("margin"),
      momentum,
      slope: surrogate,
      width: surrogateWidth,
      head_floor: z
        .number()
        .min(0)
        .max(100)
        .default(0.1)
        .describe("an RBF head's −z² has at least the slope it has at this |z|"),
      anneal: z.boolean().default(false).describe("narrow the slope to the true one over the steps"),
    }),
  },
  "walk-back": {
    title: "walk back from another class",
    access: "white-box",
    norms: BOTH,
    options: z.strictObject({
      steps: steps(100),
      restarts: restarts(1),
      step_size: stepSize.describe("length of a step (default: 2.5 ε / steps in the last ball)"),
      walk: z
        .number()
        .gt(0)
        .max(1)
        .default(0.5)
        .describe("share of the steps over which the ball shrinks from the other image's distance to ε"),
      loss: loss.default("margin"),
    }),
  },
  autoattack: {
    title: "AutoAttack's ensemble",
    access: "white-box",
    norms: BOTH,
    options: z.strictObject({
      steps: steps(100),
      targets,
      queries: queries(5000),
    }),
  },
  "nonsense-pgd": {
    title: "PGD toward each real class",
    access: "white-box",
    norms: BOTH,
    nonsense: true,
    options: z.strictObject({
      steps: steps(40),
      step_size: stepSize,
      random_start: z.boolean().default(false).describe("start anywhere in the ball instead of at the image"),
    }),
  },
} as const satisfies Record<string, AttackDefinition>;

export type AttackName = keyof typeof ATTACKS;
export type AttackOptions<N extends AttackName> = z.output<(typeof ATTACKS)[N]["options"]>;

/** What is said of an attack, whichever it is. */
export function attackDefinition(name: AttackName): AttackDefinition {
  return ATTACKS[name];
}

export function attackNames(): AttackName[] {
  return keysOf(ATTACKS);
}

/** The name itself, if there is such an attack. Throws ClusterError("config") with the list and a suggestion. */
export function attackNamed(name: string): AttackName {
  const names = attackNames();
  const found = names.find((known) => known === name);
  if (found !== undefined) return found;
  const meant = suggest(name, names);
  throw new ClusterError(
    "config",
    `Unknown attack "${name}"${meant === undefined ? "" : `: did you mean "${meant}"?`}`,
    { hint: `attacks: ${names.join(", ")}` },
  );
}

/** Defaults filled in. Throws ClusterError("config") naming the first option that is wrong. */
export function attackOptions<N extends AttackName>(name: N, options: unknown = {}): AttackOptions<N> {
  const parsed = ATTACKS[name].options.safeParse(options);
  if (parsed.success) return parsed.data as AttackOptions<N>;
  const issue = parsed.error.issues[0];
  const place = issue === undefined || issue.path.length === 0 ? "" : ` "${issue.path.join(".")}"`;
  throw new ClusterError("config", `Option${place} of attack "${name}": ${issue?.message ?? "is wrong"}`);
}
