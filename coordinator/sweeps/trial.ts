/** A trial as a run: its settings, and what it is called everywhere. */
import { settingAt, withValues } from "../../shared/config/laid-settings.js";
import { type Config, configSchema } from "../../shared/config/run.js";
import { ClusterError } from "../../shared/errors.js";
import type { Values } from "../../shared/records/sweep-line.js";
import { isSame } from "./domains.js";
import { issueWords } from "./problems.js";
import type { Space } from "./space-shape.js";
import { trialId } from "./trial-id.js";

export interface Trial {
  /** 16 hexadecimal digits: of the settings that decide its numbers, as they act, and of the code. */
  id: string;
  /** The id that it would have with the base's values for what is repeated: seeds of one setting have the same. */
  group: string;
  config: Config;
}

/** Throws ClusterError("config") where the values cannot go together. */
export function trialOf(space: Space, values: Values, code: string): Trial {
  const config = configOf(space, values);
  const id = idOf(space, config, code);
  const repeated = space.parameters.filter(({ role }) => role === "repeated").map(({ path }) => path);
  const isFirst = repeated.every((path) =>
    isSame(values[path] ?? baseValue(space, path), baseValue(space, path)),
  );
  if (isFirst) return { id, group: id, config };
  const others = Object.fromEntries(Object.entries(values).filter(([path]) => !repeated.includes(path)));
  return { id, group: idOf(space, configOf(space, others), code), config };
}

function baseValue({ base }: Space, path: string): number | undefined {
  const value = settingAt(base, path);
  return typeof value === "number" ? value : undefined;
}

function idOf({ sizeOf }: Space, config: Config, code: string): string {
  return trialId(config, code, sizeOf(config.data.set));
}

/** The base with a trial's values. Throws ClusterError("config"). */
export function configOf({ settings }: Pick<Space, "settings">, values: Values): Config {
  const parsed = configSchema.safeParse(withValues(settings, values));
  if (parsed.success) return parsed.data;
  const words = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issueWords(issue)}`);
  throw new ClusterError("config", words.join("; "));
}
