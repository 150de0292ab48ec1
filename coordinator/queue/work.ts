/** What a submission wants done: its settings, checked as if they had come from a file. */
import { z } from "zod";
import { sweepSchema } from "../../shared/config/sweep.js";
import { type Config, NAME_PATTERN, configSchema } from "../../shared/config/run.js";
import { EMULATED } from "../../shared/engine.js";
import { ClusterError } from "../../shared/errors.js";
import type { SubmittedLine, WorkKind } from "../../shared/records/queue-line.js";
import { resolveRun } from "../../shared/resolve.js";
import { nameOf } from "../runs/run-names.js";
import { type Space, spaceOf } from "../sweeps/space.js";

/** Weights that another submission has, to be measured: as they are now, and by settings of its own. */
const evaluationSchema = z.strictObject({
  name: z.string().regex(NAME_PATTERN).optional(),
  of: z.string().regex(NAME_PATTERN, "expected the id of a submission"),
  trial: z
    .string()
    .regex(/^(#?\d{1,7}|[0-9a-f]{4,16})$/, "expected the beginning of a trial's id, or its number")
    .optional()
    .describe("of a sweep, one whose weights it keeps"),
  evaluate: z
    .record(z.string(), z.unknown())
    .default({})
    .describe("settings over those that the run or the trial has; null takes one away"),
});
export type EvaluationOrder = z.output<typeof evaluationSchema>;

export type Work =
  | { kind: "run"; config: Config }
  | { kind: "sweep"; space: Space }
  | { kind: "evaluation"; order: EvaluationOrder };

/** Settings that name files: those would be the coordinator's, not the submitter's. */
const OF_FILES = ["data.dir", "evaluate.transfer_from"];

/** Throws ClusterError("config"), one line a problem. `isEmulated`: what the coordinator's workers are. */
export function workOf(
  {
    work,
    spec,
    id,
    share,
    priority,
  }: Pick<SubmittedLine, "work" | "spec"> & Partial<Pick<SubmittedLine, "id" | "share" | "priority">>,
  isEmulated: boolean,
): Work {
  if (work === "run") {
    const config = checked(configSchema, { ...spec, ...(id === undefined ? {} : { name: id }) });
    checkRun(config, isEmulated, "engine");
    return { kind: "run", config };
  }
  if (work === "evaluation") return { kind: "evaluation", order: evaluationIn(spec) };
  const named = {
    ...spec,
    ...(id === undefined ? {} : { name: id }),
    ...(share === undefined ? {} : { share }),
    ...(priority === undefined ? {} : { priority }),
  };
  const sweep = checked(sweepSchema, named);
  if (typeof sweep.base === "string")
    throw new ClusterError("config", "base: expected its settings, got the name of a file");
  const space = spaceOf(sweep, sweep.base);
  checkRun(space.base, isEmulated, "base.engine");
  refuseFiles([
    ...Object.keys(sweep.parameters),
    ...(sweep.list ?? []).flatMap(Object.keys),
    ...Object.keys(sweep.stopping?.evaluate ?? {}).map((key) => `evaluate.${key}`),
  ]);
  return { kind: "sweep", space };
}

/** What it is called where no other has the name yet. */
export function wantedName(work: Work): string {
  switch (work.kind) {
    case "run":
      return nameOf(work.config);
    case "sweep":
      return work.space.spec.name;
    case "evaluation":
      return work.order.name ?? `${work.order.of.slice(0, MOST_NAME - EVALUATED.length)}${EVALUATED}`;
  }
}

const EVALUATED = "-evaluation";
const MOST_NAME = 32;

/** Whose weights they are is known where they lie; what is asked of them is checked here. */
function evaluationIn(spec: Record<string, unknown>): EvaluationOrder {
  const order = checked(evaluationSchema, spec);
  const said = Object.entries(order.evaluate).filter(([, value]) => value !== null);
  const { evaluate } = checked(configSchema, { evaluate: Object.fromEntries(said) });
  refuseSources(evaluate);
  return order;
}

function checked<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  throw new ClusterError(
    "config",
    error.issues.map(({ path, message }) => `${path.map(String).join(".")}: ${message}`).join("\n"),
  );
}

/** `path`: of the engine in what was submitted. */
function checkRun(config: Config, isEmulated: boolean, path: string): void {
  resolveRun(config);
  if (config.data.dir !== undefined) throw ofFiles("data.dir");
  refuseSources(config.evaluate);
  if ((config.engine === EMULATED) === isEmulated) return;
  throw new ClusterError(
    "config",
    isEmulated
      ? `${path}: this pool is emulated, and takes emulated work only`
      : `${path}: this pool computes real gradients, and takes no emulated work`,
    { hint: `submit it with --set ${path}=${isEmulated ? EMULATED : "null"}` },
  );
}

/** The name alone is that of a run beside this one. */
function refuseSources({ transfer_from: sources = [] }: Config["evaluate"]): void {
  if ([sources].flat().some((source) => !NAME_PATTERN.test(source))) throw ofFiles("evaluate.transfer_from");
}

function refuseFiles(paths: readonly string[]): void {
  const isOf = (path: string, file: string): boolean => file === path || file.startsWith(`${path}.`);
  const wrong = OF_FILES.find((file) => paths.some((path) => isOf(path, file)));
  if (wrong !== undefined) throw ofFiles(wrong);
}

function ofFiles(path: string): ClusterError {
  return new ClusterError(
    "config",
    `${path}: what is submitted names no files of the coordinator's machine`,
    {
      hint:
        path === "data.dir"
          ? "the coordinator finds data sets by its own SAF_DATA_DIR"
          : "the name of another submission works: its folder stands beside this one",
    },
  );
}

/** Told apart by their keys: those of a sweep that are no settings of a run, and the other way round. */
export function kindOf(keys: readonly string[]): WorkKind {
  const [ofSweep, ofRun] = [Object.keys(sweepSchema.shape), Object.keys(configSchema.shape)];
  const only = (own: readonly string[], others: readonly string[]): number =>
    keys.filter((key) => own.includes(key) && !others.includes(key)).length;
  return only(ofSweep, ofRun) > only(ofRun, ofSweep) ? "sweep" : "run";
}
