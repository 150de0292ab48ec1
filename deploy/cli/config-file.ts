/** Loads a configuration: files in their order, then `--set`, checked strictly, every value with its source. */
import { open } from "node:fs/promises";
import type { z } from "zod";
import { configSchema, type Config } from "../../shared/config/run.js";
import { suggest } from "../../shared/core/suggest.js";
import { ClusterError } from "../../shared/errors.js";
import { canonicalName, networkNamed, networkNames } from "../../shared/networks/registry.js";
import { settingProblems } from "../../shared/networks/settings.js";
import { emptySectionsToMaps, problemsOf, type Misplaced } from "./config-problems.js";
import { schemaAt, settingsOf } from "./config-schema.js";
import {
  formatPath,
  formatSource,
  mergeTrees,
  nodeAt,
  plainValue,
  sourceAt,
  treeOf,
  type ConfigNode,
  type MapNode,
  type Path,
  type Problem,
  type Source,
} from "./config-tree.js";
import { parseYaml, type Locate, type ParsedYaml } from "./config-yaml.js";
import { poolSettingInRunFile } from "./misplaced-settings.js";
import { quote } from "./quote.js";
import { type Layer, layerOf, withNull, without } from "./taken-away.js";

const MAX_FILE_BYTES = 1024 * 1024;

export interface LoadOptions {
  /** YAML files; later ones win: maps merge, lists replace. */
  files: readonly string[];
  /** Variables of the environment that are set, by the setting each is for; they win over files. */
  variables?: readonly { name: string; path: string; value: string }[];
  /** `a.b=value` each, the value in YAML; they win over all else. `null` takes away what the others say. */
  set: readonly string[];
  /** What stands before each key of `set`, and is no part of its path. */
  prefix?: string;
  /** What lies below the files, such as a preset. */
  base?: unknown;
  /** How values of `base` are labelled in `sources`; "preset" by default. */
  baseName?: string;
}

export interface Loaded<T> {
  /** Checked, defaults filled in. */
  value: T;
  /** What base, files and flags said together, before defaults; null for what a flag took away. */
  given: unknown;
  /** By path (`train.epochs`), where each value comes from: `run.yaml:7:3`, `--set`, the base's name, or `default`. */
  sources: ReadonlyMap<string, string>;
}

export type LoadedConfig = Loaded<Config>;

/**
 * A run's configuration. `stored` is the file of a run directory, below all others; of a version before, it may hold the
 * pool's settings, which are the caller's now. Throws ClusterError("config"), one line a problem.
 */
export async function loadConfig({
  stored,
  ...options
}: LoadOptions & { stored?: string | undefined }): Promise<LoadedConfig> {
  const files = stored === undefined ? options.files : [stored, ...options.files];
  const adapt = (tree: ConfigNode, file: string | undefined): ParsedYaml => ({
    ok: true,
    tree: stored !== undefined && file === stored ? withoutPool(tree) : tree,
  });
  const checks = { check: modelProblems, misplaced: poolSettingInRunFile, adapt };
  return loadSettings(configSchema, { ...options, files }, checks);
}

function withoutPool(tree: ConfigNode): ConfigNode {
  if (tree.kind !== "map") return tree;
  const entries = new Map(tree.entries);
  entries.delete("cluster");
  return { ...tree, entries };
}

/** The schema takes any text as a model, and numbers for parts that a network may lack: the networks know better. */
export function modelProblems({ model, data, network }: Config): PathProblem[] {
  if (canonicalName(data.set, model) !== undefined)
    return network === undefined ? [] : settingProblems(networkNamed(data.set, model), network);
  const names = networkNames(data.set);
  const meant = suggest(model, names);
  const suggestion = meant === undefined ? "" : ` — did you mean ${quote(meant)}?`;
  return [
    { path: ["model"], message: `expected one of ${names.join(", ")}, got ${quote(model)}${suggestion}` },
  ];
}

export interface Checks<T> {
  /** Names what the schema cannot know; where it was said is found by the path. */
  check?: (value: T, tree: ConfigNode) => (PathProblem | Problem)[];
  misplaced?: Misplaced;
  /** What a file says, or a flag (then there is no file), made to fit; or why it cannot be. */
  adapt?: (tree: ConfigNode, file: string | undefined) => ParsedYaml | Promise<ParsedYaml>;
  /** Is there a setting at this path that `null` in a flag takes away? Else it is a value, or a key that is unknown. */
  isTakenAway?: (path: Path) => boolean;
  /** Where all settings are told of. */
  hint?: string;
}

const CONFIG_HINT =
  "`saf config show` prints every setting, its value and where it comes from; `saf config show pool` those of the pool";

const isNoNull: (path: Path) => boolean = () => false;
const asItIs = (tree: ConfigNode): ParsedYaml => ({ ok: true, tree });

/** What is wrong with the setting at a path. */
export interface PathProblem {
  path: Path;
  message: string;
}

/**
 * Settings of any strict schema, from files, variables and flags.
 * Throws ClusterError("config"), one line a problem.
 */
export async function loadSettings<S extends z.ZodType>(
  schema: S,
  { files, variables = [], set, prefix = "", base, baseName = "preset" }: LoadOptions,
  checks: Checks<z.output<S>> = {},
): Promise<Loaded<z.output<S>>> {
  const { check = () => [], misplaced, adapt = asItIs, hint = CONFIG_HINT } = checks;
  const { isTakenAway = (path) => schemaAt(schema, path) !== undefined } = checks;
  const problems: Problem[] = [];
  const layers: Layer[] = [{ tree: treeOf(base ?? {}, { kind: "base", name: baseName }), takenAway: [] }];
  const collect = async (parsed: ParsedYaml, file?: string, isNull = isNoNull): Promise<void> => {
    // An empty section is none any more once it is made to fit.
    const said = parsed.ok ? layerOf(parsed.tree, isNull) : undefined;
    const fitting = said === undefined ? parsed : await adapt(said.tree, file);
    if (fitting.ok) layers.push({ tree: fitting.tree, takenAway: said?.takenAway ?? [] });
    else problems.push(...fitting.problems);
  };
  for (const file of files) await collect(await parseFile(file), file);
  for (const { name, path, value } of variables)
    await collect(parseValue(path.split("."), value, { kind: "variable", name }));
  for (const assignment of set) {
    // Nothing behind the equals sign is forgotten rather than meant.
    const isEmpty = assignment.trimEnd().endsWith("=");
    await collect(parseAssignment(assignment, prefix), undefined, isEmpty ? isNoNull : isTakenAway);
  }
  if (problems.length > 0) throw configError(problems, hint);

  const whole = layers.map((layer) => emptySectionsToMaps(layer.tree, schema));
  const tree = whole.reduce((under, over, i) =>
    mergeTrees((layers[i]?.takenAway ?? []).reduce(without, under), over),
  );
  const given = layers.flatMap(({ takenAway }) => takenAway).reduce(withNull, tree);
  const notMaps = whole.filter((layer) => layer.kind !== "map");
  if (notMaps.length > 0) throw configError(notMaps.map(notAMap), hint);

  const result = schema.safeParse(plainValue(tree));
  if (!result.success) {
    const wrong = problemsOf(result.error.issues, tree, schema, misplaced);
    throw configError(inReadingOrder(wrong, files), hint);
  }
  const wrong = check(result.data, tree).map((problem) =>
    "source" in problem ? problem : placed(problem, tree),
  );
  if (wrong.length > 0) throw configError(inReadingOrder(wrong, files), hint);
  return { value: result.data, given: plainValue(given), sources: sourcesOf(schema, tree) };
}

/** The tree of a file, or what keeps it from being one. Throws ClusterError("config") for what is not a small UTF-8 file. */
export async function parseFile(file: string): Promise<ParsedYaml> {
  return parseYaml(await readText(file), locateIn(file));
}

/** With the place where it was said, or the nearest thing around it. */
export function placed({ path, message }: PathProblem, tree: ConfigNode): Problem {
  return { source: sourceAt(tree, path), message: `${formatPath(path)}: ${message}` };
}

function locateIn(file: string): Locate {
  return ({ line, column }) => ({ kind: "file", file: printable(file), line, column });
}

/** `a.b=value` as a tree of one branch. */
function parseAssignment(assignment: string, prefix: string): ParsedYaml {
  const equals = assignment.indexOf("=");
  const key = equals < 0 ? assignment : assignment.slice(0, equals);
  const setting = key.trimStart().startsWith(prefix) ? key.trimStart().slice(prefix.length) : key;
  const source: Source = { kind: "flag", flag: `--set ${printable(key)}`, setting: printable(setting) };
  const parts = setting.split(".").map((part) => part.trim());
  if (equals < 0 || parts.includes("")) {
    return { ok: false, problems: [{ source, message: "expected key=value, as in --set train.epochs=3" }] };
  }
  return parseValue(parts, assignment.slice(equals + 1), source);
}

/** YAML text as the value at a path. */
function parseValue(parts: readonly string[], text: string, source: Source): ParsedYaml {
  const parsed = parseYaml(text, () => source);
  if (!parsed.ok) return parsed;
  const tree = parts.reduceRight<ConfigNode>(
    (node, part): MapNode => ({
      kind: "map",
      source,
      entries: new Map([[part, { keySource: source, node }]]),
    }),
    parsed.tree,
  );
  return { ok: true, tree };
}

function printable(text: string): string {
  return quote(text).slice(1, -1);
}

function notAMap(layer: ConfigNode): Problem {
  const got = layer.kind === "list" ? "a list" : "a single value";
  return { source: layer.source, message: `expected a map of settings, got ${got}` };
}

/** As one reads: by file, line and column; flags last. */
function inReadingOrder(problems: readonly Problem[], files: readonly string[]): Problem[] {
  const names = files.map(printable);
  const rank = ({ source }: Problem): number[] =>
    source?.kind === "file"
      ? [names.lastIndexOf(source.file), source.line, source.column]
      : [files.length, 0, 0];
  return [...problems].sort((a, b) => {
    const [left, right] = [rank(a), rank(b)];
    const differing = left.findIndex((value, i) => value !== right[i]);
    return differing < 0 ? 0 : (left[differing] ?? 0) - (right[differing] ?? 0);
  });
}

function formatProblem({ source, message }: Problem): string {
  if (source === undefined) return message;
  // A flag names the setting already.
  const named = source.kind === "flag" ? `${source.setting}: ` : undefined;
  const rest = named !== undefined && message.startsWith(named) ? message.slice(named.length) : message;
  return `${formatSource(source)}: ${rest}`;
}

function configError(problems: readonly Problem[], hint: string): ClusterError {
  return new ClusterError("config", problems.map(formatProblem).join("\n"), { hint });
}

function sourcesOf(schema: z.ZodType, tree: ConfigNode): Map<string, string> {
  const sources = settingsOf(schema).map(({ path }) => {
    const node = nodeAt(tree, path);
    if (node === undefined) return [formatPath(path), "default"] as const;
    return [formatPath(path), node.source.kind === "flag" ? "--set" : formatSource(node.source)] as const;
  });
  return new Map(sources);
}

/** The text of a configuration file. Throws ClusterError("config") for whatever is not a small UTF-8 file. */
async function readText(file: string): Promise<string> {
  const bytes = await readBytes(file);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ClusterError("config", `${printable(file)}:${lineOfBadByte(bytes)}: not UTF-8 text`, {
      hint: "Save the file as UTF-8 and try again",
    });
  }
}

function lineOfBadByte(bytes: Uint8Array): number {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let line = 1;
  for (let start = 0; start < bytes.length; line += 1) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline;
    try {
      decoder.decode(bytes.subarray(start, end));
    } catch {
      return line;
    }
    start = end + 1;
  }
  return line;
}

/** Read up to the limit, whatever the file says of its size: a pipe says nothing, a device never ends. */
async function readBytes(file: string): Promise<Uint8Array> {
  let handle;
  try {
    handle = await open(file, "r");
    const buffer = Buffer.allocUnsafe(MAX_FILE_BYTES + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length > MAX_FILE_BYTES) {
      throw new ClusterError(
        "config",
        `${printable(file)}: larger than ${MAX_FILE_BYTES} bytes, too large for a configuration`,
      );
    }
    return buffer.subarray(0, length);
  } catch (error) {
    if (error instanceof ClusterError) throw error;
    throw unreadable(file, error);
  } finally {
    await handle?.close();
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  ENOTDIR: "no such file",
  EISDIR: "is a folder: expected a file",
  EACCES: "not readable: permission denied",
  EPERM: "not readable: permission denied",
  ELOOP: "a circle of links",
  ENAMETOOLONG: "the name is too long",
};

function unreadable(file: string, error: unknown): ClusterError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return new ClusterError(
    "config",
    `${printable(file)}: ${REASONS[code] ?? `not readable (${code || String(error)})`}`,
    {
      cause: error,
    },
  );
}
