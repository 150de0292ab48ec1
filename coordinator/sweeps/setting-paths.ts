/** A run's settings by their paths: which there are, what one decides, and the settings with one of them changed. */
import { type Settings, withValue } from "../../shared/config/laid-settings.js";
import { configSchema } from "../../shared/config/run.js";
import { type Decides, marksOf } from "../../shared/config/setting.js";
import { suggest } from "../../shared/core/suggest.js";
import { ClusterError } from "../../shared/errors.js";
import { DATA_SET_NAMES, type DataSetName } from "../../shared/data-set-names.js";
import { networkNamed } from "../../shared/networks/registry.js";
import { shortText } from "../../shared/core/short-text.js";
import { type ProblemPath, type SpaceProblem, issueWords } from "./problems.js";

const MARKS = marksOf(configSchema);

/** What is decided by the settings at, below or around a path; empty where there are none. */
function decidedBy(path: string): Set<Decides> {
  const isThere = ([known]: [string, Decides]): boolean =>
    known === path || known.startsWith(`${path}.`) || path.startsWith(`${known}.`);
  return new Set([...MARKS].filter(isThere).map(([, decides]) => decides));
}

/** Why there can be no parameter of that name; undefined where there can. */
export function pathFault(path: string): string | undefined {
  if (path === "engine") return "trials of one sweep share one kind of engine: put it into the base";
  const decides = decidedBy(path);
  if (decides.size === 0) return unknownSetting(path);
  if (decides.has("weights") || decides.has("measurement")) return undefined;
  return "it decides no number of a trial: whatever it is, it is the same trial";
}

export function unknownSetting(path: string, known: readonly string[] = [...MARKS.keys()]): string {
  const last = path.split(".").at(-1);
  const meant = suggest(path, known) ?? known.find((one) => one.split(".").at(-1) === last);
  return `unknown setting "${path}"${meant === undefined ? "" : ` — did you mean "${meant}"?`}`;
}

/** Of a section, without its name in front. */
export function settingNames(section: string): string[] {
  return [...MARKS.keys()].flatMap((path) =>
    path.startsWith(`${section}.`) ? [path.slice(section.length + 1)] : [],
  );
}

/** What a setting holds against a value, each with `where` the value stands in the spec. */
export function valueProblems(
  settings: Settings,
  { path, value, where }: { path: string; value: unknown; where: ProblemPath },
): SpaceProblem[] {
  const parts = path.split(".");
  try {
    const { error } = configSchema.safeParse(withValue(settings, path, value));
    return (error?.issues ?? [])
      .filter((issue) => parts.every((part, i) => String(issue.path[i] ?? part) === part))
      .map((issue) => {
        const inner = issue.path
          .slice(parts.length)
          .map((key) => (typeof key === "symbol" ? String(key) : key));
        return {
          path: [...where, ...inner],
          message: `${path}: ${issueWords(issue)}, got ${shortText(value)}`,
        };
      });
  } catch (error) {
    if (error instanceof ClusterError) return [{ path: where, message: error.message }];
    throw error;
  }
}

/** Why a name is that of no network, whichever of the data sets is meant. */
export function modelFault(name: string, sets: readonly DataSetName[]): string | undefined {
  const faults = sets.map((set) => {
    try {
      networkNamed(set, name);
      return undefined;
    } catch (error) {
      if (error instanceof ClusterError) return error.message;
      throw error;
    }
  });
  return faults.every((fault) => fault !== undefined) ? faults[0] : undefined;
}

export function isDataSet(value: unknown): value is DataSetName {
  return DATA_SET_NAMES.some((name) => name === value);
}
