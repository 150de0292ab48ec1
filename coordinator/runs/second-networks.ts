/** The second networks of `evaluate.transfer_from`: which the settings name, and whether they can be had. */
import type { Config } from "../../shared/config/run.js";
import type { Surroundings } from "./surroundings.js";

export function sourcesIn({ transfer_from: from }: Config["evaluate"]): string[] {
  if (from === undefined) return [];
  return typeof from === "string" ? [from] : from;
}

/** Throws what reading them would throw later; runs that `isExpected` names are not read. */
export async function checkSources(
  { findSource, readSource }: Pick<Surroundings, "findSource" | "readSource">,
  config: Config,
  runDirectory: string,
  isExpected: (path: string) => boolean,
): Promise<void> {
  for (const text of sourcesIn(config.evaluate)) {
    const place = await findSource(text, runDirectory, isExpected);
    if (!isExpected(place.path)) await readSource(place, config.data.set);
  }
}

/** Two networks of one name are told apart. */
export function withNames<Named extends { name: string }>(sources: readonly Named[]): Named[] {
  return sources.map((source, i) => {
    const before = sources.slice(0, i).filter(({ name }) => name === source.name).length;
    return before === 0 ? source : { ...source, name: `${source.name}-${before + 1}` };
  });
}
