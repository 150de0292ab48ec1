/** Why a sweep begins no more trials though its search has more, in words. Pure. */
import { grouped } from "./pruners/pruner.js";
import type { Limit } from "./search.js";
import type { Space } from "./space-shape.js";

export function limitWords(
  limit: Limit | undefined,
  { spec: { limits } }: Pick<Space, "spec">,
): string | undefined {
  const bound = limit === undefined ? undefined : limits[limit];
  if (limit === undefined || bound === undefined) return undefined;
  const number = Number.isInteger(bound) ? grouped(bound) : String(bound);
  return `limits.${limit} (${number}${limit === "samples" ? " images" : ""}) is reached: no more trials begin`;
}
