/** A loaded configuration as text: every setting with its value and where it comes from. Pure. */
import { stringify } from "yaml";
import type { Config } from "../../shared/config/run.js";
import { completeSettings } from "../../shared/networks/settings.js";
import type { ResolvedRun } from "../../shared/resolve.js";

/** The configuration with every value that depends on the model filled in, and the sources of those values. */
export function completeConfig(
  config: Config,
  sources: ReadonlyMap<string, string>,
  run: ResolvedRun,
): { config: Config; sources: Map<string, string> } {
  const complete: Config = {
    ...config,
    name: run.name,
    train: {
      ...config.train,
      epochs: run.train.epochs,
      batch_size: run.train.batchSize,
      learning_rate: config.train.learning_rate ?? run.train.stages,
      weight_decay: run.train.weightDecay,
    },
    network: completeSettings(run.network, config.network),
    evaluate: { ...config.evaluate, strengths: [...run.strengths] },
  };
  const filled = [...sources]
    .filter(([path]) => valueAt(complete, path) !== undefined)
    .map(
      ([path, source]) =>
        [path, valueAt(config, path) !== undefined ? source : sourceOfDefault(path)] as const,
    );
  return { config: complete, sources: new Map(filled) };
}

function sourceOfDefault(path: string): string {
  return path === "name" ? "the model's" : "the paper's";
}

function valueAt(value: unknown, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], value);
}

/**
 * YAML that loads to the same settings, each line ending in a comment that names its source, in the order of `sources`.
 * Settings without a value are not listed.
 */
export function showConfig(config: object, sources: ReadonlyMap<string, string>): string {
  const shown = [...sources].filter(([path]) => valueAt(config, path) !== undefined);
  const lines = shown.flatMap(([path, source], i) => {
    const sections = sectionsOf(path);
    const opened = sharedLength(sections, sectionsOf(shown[i - 1]?.[0] ?? ""));
    const headings = sections
      .slice(opened)
      .map((key, j) => ({ text: `${"  ".repeat(opened + j)}${key}:`, comment: "" }));
    const key = path.slice(path.lastIndexOf(".") + 1);
    const text = `${"  ".repeat(sections.length)}${key}: ${inline(valueAt(config, path))}`;
    return [...headings, { text, comment: source }];
  });
  const width = Math.min(48, Math.max(...lines.map(({ text }) => text.length)));
  return lines
    .map(({ text, comment }) => (comment === "" ? text : `${text.padEnd(width)}  # ${comment}`))
    .join("\n");
}

function sectionsOf(path: string): string[] {
  return path.split(".").slice(0, -1);
}

/** How many leading elements two lists have in common. */
function sharedLength(a: readonly string[], b: readonly string[]): number {
  const differing = a.findIndex((value, i) => value !== b[i]);
  return differing < 0 ? a.length : differing;
}

/** One value on one line. */
function inline(value: unknown): string {
  if (typeof value === "string" && /[^\x20-\x7e]/.test(value)) return JSON.stringify(value);
  return stringify(value, { collectionStyle: "flow", flowCollectionPadding: false, lineWidth: 0 }).trimEnd();
}
