/** Is a sweep's base a run? */
import { isMap, type Settings } from "../../../shared/config/laid-settings.js";
import { type Config, configSchema } from "../../../shared/config/run.js";
import { issueWords, type SpaceProblem } from "../problems.js";

export type CheckedBase = { settings: Settings; base: Config } | { problems: SpaceProblem[] };

/** A model that is not there may be a parameter: that is told of the trials. */
export function checkedBase(settings: unknown): CheckedBase {
  if (!isMap(settings))
    return {
      problems: [{ path: ["base"], message: "expected the settings of a run, not the name of its file" }],
    };
  const { data: base, error } = configSchema.safeParse(settings);
  if (base !== undefined) return { settings, base };
  const problems = error.issues.map((issue) => ({
    path: ["base", ...issue.path.map((part) => (typeof part === "symbol" ? String(part) : part))],
    message: issueWords(issue),
  }));
  return { problems };
}
