/** Names of the runs of a list: each names a folder, so no two are equal. */
import type { Config } from "../../shared/config/run.js";

const MOST_CHARACTERS = 32;

export function nameOf({ name, model }: Pick<Config, "name" | "model">): string {
  return name ?? model;
}

/** Of runs with one name, all but the first get a number behind it: the same for the same list, so that it can go on. */
export function withDistinctNames(configs: readonly Config[]): Config[] {
  const taken = new Set(configs.map(nameOf));
  const seen = new Set<string>();
  return configs.map((config) => {
    const name = nameOf(config);
    if (!seen.has(name)) {
      seen.add(name);
      return config;
    }
    const own = firstFree(name, taken);
    taken.add(own);
    return { ...config, name: own };
  });
}

/** The name, or with a number behind it where it is taken. */
export function distinctName(name: string, taken: Pick<ReadonlySet<string>, "has">): string {
  return taken.has(name) ? firstFree(name, taken) : name;
}

function firstFree(name: string, taken: Pick<ReadonlySet<string>, "has">): string {
  for (let count = 2; ; count++) {
    const end = `-${count}`;
    const numbered = name.slice(0, MOST_CHARACTERS - end.length).replace(/-+$/, "") + end;
    if (!taken.has(numbered)) return numbered;
  }
}
