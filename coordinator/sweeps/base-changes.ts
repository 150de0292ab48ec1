/** What tells the trials of two bases apart, in words: settings that decide a trial's numbers. Pure. */
import { configSchema } from "../../shared/config/run.js";
import { marksOf } from "../../shared/config/setting.js";
import { settingAt } from "../../shared/config/laid-settings.js";
import { shortText } from "../../shared/core/short-text.js";
import type { Space } from "./space-shape.js";

const DECISIVE = [...marksOf(configSchema)]
  .filter(([, decides]) => decides !== "nothing")
  .map(([path]) => path);

/** "train.epochs 3, was 1"; of settings that no parameter sets in every trial. `before`: a base as its file says it. */
export function baseChanges(
  before: unknown,
  { base, parameters }: Pick<Space, "base" | "parameters">,
): string[] {
  const { success, data } = configSchema.safeParse(before);
  if (!success) return [];
  const always = new Set(parameters.filter(({ when }) => when === undefined).map(({ path }) => path));
  return DECISIVE.filter((path) => !always.has(path)).flatMap((path) => {
    const [now, was] = [settingAt(base, path), settingAt(data, path)];
    return JSON.stringify(now) === JSON.stringify(was) ? [] : [`${path} ${words(now)}, was ${words(was)}`];
  });
}

const words = (value: unknown): string => (value === undefined ? "not set" : shortText(value));
