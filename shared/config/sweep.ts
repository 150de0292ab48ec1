/**
 * Every setting of a sweep once: a base (a run's settings), a space over any of them, how it is searched, what is wanted of
 * a trial and when one is stopped. The YAML loader, `saf config schema sweep` and docs/sweeps.md come from here.
 */
import { z } from "zod";
import { NAME_PATTERN } from "./run.js";
import { setting, settings } from "./setting.js";

/** What a setting may be set to. */
export type SettingValue = z.infer<ReturnType<typeof z.json>>;
const value = z.json();

const isPath = /^[a-z0-9_]+(\.[a-z0-9_]+)*$/;
const path = z.string().regex(isPath, "expected the path of a setting, as in train.learning_rate");

/** Holds when each of these settings has the value, or one of the values, or lies within the bounds. */
const condition = z
  .record(
    path,
    z.union([
      z.strictObject({ min: z.number().optional(), max: z.number().optional() }),
      z.array(z.union([z.string(), z.number(), z.boolean()])).min(1),
      z.union([z.string(), z.number(), z.boolean()]),
    ]),
  )
  .describe("other parameters and what they must be; where they are not, the base's value stays");

const choice = z.strictObject({
  choice: z.array(value).min(1).describe("one of these, drawn"),
  when: condition.optional(),
});
const grid = z.strictObject({
  grid: z.array(value).min(1).describe("each of these, with everything else that is tried"),
  when: condition.optional(),
});
const range = z.strictObject({
  range: z.tuple([z.number(), z.number()]).describe("from, to; both included"),
  scale: z.enum(["linear", "log"]).default("linear"),
  type: z.enum(["float", "int"]).default("float"),
  step: z.number().positive().optional().describe("only every so much from the lower end on"),
  when: condition.optional(),
});
const repeat = z.strictObject({
  repeat: z
    .int()
    .min(1)
    .max(10_000)
    .describe(
      "so many whole numbers from the base's value on, with everything else that is tried; results are gathered over them",
    ),
});

/** What may be tried for one setting. */
export const parameterSchema = z.union([choice, grid, range, repeat]);
export type Parameter = z.output<typeof parameterSchema>;
export type Condition = z.output<typeof condition>;

const objective = z.strictObject({
  metric: z.string().min(1).max(128),
  goal: z.enum(["maximize", "minimize"]).optional(),
});

const stopping = z.strictObject({
  method: z
    .enum(["asha", "median", "population"])
    .describe(
      "asha: the best of each rung go on; median: whoever is worse than the median ends; population: the worst take over the best's weights, with settings changed a little",
    ),
  metric: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe("what is compared at a rung (default: the first objective)"),
  goal: z.enum(["maximize", "minimize"]).optional(),
  first_samples: z.int().min(1).describe("training images seen at the first rung"),
  factor: z
    .number()
    .min(1.5)
    .max(100)
    .default(3)
    .describe("each rung is so many times as long as the one before; asha: one of so many goes on"),
  min_trials: z
    .int()
    .min(1)
    .default(3)
    .describe("median: as many must have been there before one is stopped"),
  evaluate: z
    .record(z.string(), value)
    .optional()
    .describe(
      "settings of `evaluate` that are others at all rungs but the last, a cheap attack say; null takes one away",
    ),
  exploit: z
    .number()
    .gt(0)
    .max(0.5)
    .default(0.25)
    .describe("population: this share of the members takes over from as many of the best"),
  perturb: z
    .number()
    .gt(1)
    .max(10)
    .default(1.2)
    .describe("population: numbers are multiplied or divided by this when they are taken over"),
});

export const SEARCH_METHODS = ["grid", "random", "sobol", "tpe", "list"] as const;
export type SearchMethod = (typeof SEARCH_METHODS)[number];

export const sweepSchema = settings({
  version: setting("nothing", z.literal(1).default(1), "version of this schema"),
  name: setting(
    "nothing",
    z.string().regex(NAME_PATTERN, "use 1 to 32 of a-z, 0-9 and -, not at the ends"),
    "name of the sweep",
  ),
  title: setting("nothing", z.string().max(200).optional(), "title of the report"),
  base: setting(
    "weights",
    z.union([z.string().min(1), z.record(z.string(), value)]).default({}),
    "what all trials have in common: a run file, its path taken from this file's folder, or settings of a run",
  ),
  parameters: setting(
    "weights",
    z.record(path, parameterSchema).default({}),
    "by the setting's path, what is tried for it: { choice }, { grid }, { range, scale, type, step } or { repeat }, each but the last with a condition { when }",
  ),
  list: setting(
    "weights",
    z.array(z.record(path, value)).min(1).optional(),
    "trials one by one: what each sets; parameters with grid or repeat are tried with each of them",
  ),
  search: setting(
    "weights",
    z
      .strictObject({
        method: z
          .enum(SEARCH_METHODS)
          .optional()
          .describe("default: list where there is one, grid where all is finite, else random"),
        seed: z.int().min(0).max(4_294_967_295).default(0).describe("of everything that is drawn"),
        startup_trials: z.int().min(1).default(10).describe("tpe: drawn at random before it begins"),
        candidates: z
          .int()
          .min(1)
          .max(1000)
          .default(24)
          .describe("tpe: drawn for each parameter of a trial, the likeliest to be good is taken"),
      })
      .prefault({}),
    "how the space is searched",
  ),
  limits: setting(
    "nothing",
    z
      .strictObject({
        trials: z.int().min(1).optional().describe("so many at most"),
        hours: z
          .number()
          .positive()
          .optional()
          .describe("no trial begins later, counted from when the sweep was first begun, pauses too"),
        samples: z
          .number()
          .positive()
          .optional()
          .describe(
            "training images over all trials, with those that running ones see to their next rung; none begins beyond",
          ),
      })
      .prefault({}),
    "when no more trials begin",
  ),
  objective: setting(
    "measurement",
    z
      .union([
        z.string().min(1).max(128),
        objective,
        z
          .array(z.union([z.string().min(1).max(128), objective]))
          .min(1)
          .max(4),
      ])
      .default("clean"),
    "what is wanted: a metric, or several, and then a Pareto table: clean, loss, area(SERIES), accuracy(SERIES, STRENGTH), error(SERIES, STRENGTH), auroc(SERIES, STRENGTH), worst(STRENGTH); a series is adversarial, nonsense or noisy, the same with corrected- in front, an attack by its name as in pgd-40, or worst-case, with `, l2` behind it for the other norm",
  ),
  constraints: setting(
    "measurement",
    z.array(z.string().min(1).max(200)).default([]),
    'what a trial must reach to be ranked, as in "clean >= 0.97"',
  ),
  stopping: setting("measurement", stopping.optional(), "when a trial is stopped early (default: never)"),
  trial: setting(
    "nothing",
    z
      .strictObject({
        attempts: z.int().min(1).max(100).default(2).describe("tries of a trial that fails"),
        minutes: z
          .number()
          .positive()
          .optional()
          .describe(
            "a trial that trains and measures longer from one rung to the next fails; without stopping, from its begin to its end",
          ),
      })
      .prefault({}),
    "what a trial may cost",
  ),
  share: setting(
    "nothing",
    z.number().positive().max(1000).default(1),
    "share of the pool beside other work on it: 2 gets twice as many workers as 1",
  ),
  priority: setting(
    "nothing",
    z.int().min(-100).max(100).default(0),
    "work of a higher one comes first, whatever the shares",
  ),
  keep_weights: setting(
    "nothing",
    z.union([z.literal("all"), z.int().min(0).max(10_000)]).default(3),
    "weights to keep at the end: of so many best trials, or of all",
  ),
});

/** A sweep as its file says it, defaults filled in. */
export type SweepSpec = z.output<typeof sweepSchema>;
