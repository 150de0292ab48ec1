/** Loads a sweep's file, strictly: its base is put into it, and what is wrong is said with the place where it was written. */
import { dirname, isAbsolute, join } from "node:path";
import { stringify } from "yaml";
import { type Space, spaceOf, spaceProblems } from "../../coordinator/sweeps/space.js";
import { configSchema } from "../../shared/config/run.js";
import { type SweepSpec, sweepSchema } from "../../shared/config/sweep.js";
import { wordsOf } from "../../shared/errors.js";
import { type PathProblem, loadSettings, modelProblems, parseFile, placed } from "./config-file.js";
import { keysAt } from "./config-schema.js";
import { emptySectionsToMaps, problemsOf } from "./config-problems.js";
import { schemaAt } from "./config-schema.js";
import { type ConfigNode, type Path, type Problem, nodeAt, plainValue } from "./config-tree.js";
import type { ParsedYaml } from "./config-yaml.js";
import { poolSettingInRunFile } from "./misplaced-settings.js";

export interface LoadedSweep {
  /** Its base is no file any more. */
  spec: SweepSpec;
  space: Space;
  /** False: nobody said what is wanted, and the default acts. */
  isObjectiveGiven: boolean;
}

const HINT =
  "`saf config schema sweep` describes every key of a sweep, `saf config show` prints every setting of a run";

/** `set`: `limits.trials=20` each, over the file. Throws ClusterError("config"), one line a problem. */
export async function loadSweep(file: string, set: readonly string[] = []): Promise<LoadedSweep> {
  const { value: spec, sources } = await loadSettings(
    sweepSchema,
    { files: [file], set: set.map(withPathAsKey) },
    { check: problemsIn, adapt: withBase, isTakenAway, hint: HINT },
  );
  const isObjectiveGiven = sources.get("objective") !== "default";
  return { spec, space: spaceOf(spec, spec.base), isObjectiveGiven };
}

/** The settings of the base are those of a run; in `stopping.evaluate` null is a value, which acts at low rungs. */
function isTakenAway(path: Path): boolean {
  const [section, ...rest] = path;
  if (section === "base") return schemaAt(configSchema, rest) !== undefined;
  const isValue = section === "stopping" && rest[0] === "evaluate" && rest.length > 1;
  return !isValue && schemaAt(sweepSchema, path) !== undefined;
}

const KEYS_OF_PARAMETERS = "choice|grid|range|scale|type|step|repeat|when";
const OF_PARAMETER = new RegExp(
  `^\\s*parameters\\.([a-z0-9_.]+?)(?:\\.(${KEYS_OF_PARAMETERS}))?\\s*=(.*)$`,
  "s",
);

/** The path of a parameter is one key, whatever dots it has: `parameters.train.slots.choice=[1, 2]`. */
function withPathAsKey(assignment: string): string {
  const [, path, key, value = ""] = OF_PARAMETER.exec(assignment) ?? [];
  if (path === undefined) return assignment;
  return `parameters={${JSON.stringify(path)}: ${key === undefined ? value : `{${key}: ${value}}`}}`;
}

/** Text that loads to the same sweep, wherever it stands. */
export function sweepText(spec: SweepSpec): string {
  return stringify(spec, { lineWidth: 0 });
}

const KEYS_OF_SWEEP = keysAt(sweepSchema, []);
const KEYS_OF_RUN = keysAt(configSchema, []);

/** A run's file, said once and not key by key. */
function runInstead(tree: ConfigNode): Problem | undefined {
  if (tree.kind !== "map") return undefined;
  const keys = [...tree.entries.keys()];
  const isOnly = (known: readonly string[], others: readonly string[]): boolean =>
    keys.some((key) => known.includes(key) && !others.includes(key));
  if (!isOnly(KEYS_OF_RUN, KEYS_OF_SWEEP) || isOnly(KEYS_OF_SWEEP, [...KEYS_OF_RUN, "title"]))
    return undefined;
  const message =
    "this is a run, which `saf train` trains; a sweep has such settings below `base`, and `parameters` or `list`";
  return { source: tree.source, message };
}

/** With the settings of the file that `base` names, each with its place there. */
async function withBase(tree: ConfigNode, file: string | undefined): Promise<ParsedYaml> {
  const run = runInstead(tree);
  if (run !== undefined) return { ok: false, problems: [run] };
  const entry = tree.kind === "map" ? tree.entries.get("base") : undefined;
  if (tree.kind !== "map" || entry === undefined) return { ok: true, tree };
  const base = await baseAt(entry.node, file === undefined ? "." : dirname(file));
  if (!base.ok) return base;
  const node = emptySectionsToMaps(base.tree, configSchema);
  return { ok: true, tree: { ...tree, entries: new Map([...tree.entries, ["base", { ...entry, node }]]) } };
}

async function baseAt(said: ConfigNode, folder: string): Promise<ParsedYaml> {
  if (said.kind !== "scalar" || typeof said.value !== "string") return { ok: true, tree: said };
  const file = isAbsolute(said.value) ? said.value : join(folder, said.value);
  return parseFile(file).catch((error: unknown) => ({
    ok: false,
    problems: [{ source: said.source, message: `base: ${wordsOf(error)}` }],
  }));
}

/** The base by itself first: what is wrong there would be wrong with every trial. */
function problemsIn(spec: SweepSpec, tree: ConfigNode): (Problem | PathProblem)[] {
  const base = nodeAt(tree, ["base"]);
  const wrong = base === undefined ? [] : baseProblems(base, "model" in spec.parameters);
  return wrong.length > 0 ? wrong : spaceProblems(spec, spec.base);
}

/** `isModelTried`: what the network settings go with is another model than the base's. */
function baseProblems(base: ConfigNode, isModelTried: boolean): Problem[] {
  const { success, data, error } = configSchema.safeParse(plainValue(base));
  if (!success) return problemsOf(error.issues, base, configSchema, poolSettingInRunFile);
  return modelProblems(data)
    .filter(({ path: [section] }) => !isModelTried || section === "model")
    .map((problem) => placed(problem, base));
}
