/** Does a trial of an earlier spec belong to the present one? And what hashes tell specs apart. */
import { createHash } from "node:crypto";
import { ClusterError } from "../../shared/errors.js";
import type { Parent, TrialLine, Values } from "../../shared/records/sweep-line.js";
import { isIn, isSame } from "./domains.js";
import type { Space } from "./space-shape.js";
import { type Trial, trialOf } from "./trial.js";

const sha256 = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex");
const ID_DIGITS = 16;

/** SHA-256 of a spec. */
export function specHash(space: Space): string {
  return sha256([space.spec, space.base]);
}

/** SHA-256 of what decides which trials the search makes, and in which order. */
export function searchHash({ base, spec: { parameters, list, search }, method }: Space): string {
  return sha256({ base, parameters, list, search, method });
}

/** SHA-256 of what makes results below the last rung comparable. */
export function rungsHash({ spec: { stopping } }: Space): string {
  return sha256(
    stopping === undefined ? null : [stopping.first_samples, stopping.factor, stopping.evaluate ?? null],
  );
}

/** A trial as the book knows it. `impossible`: why its values cannot go together; then it has no settings. */
export type KnownTrial = Trial | (Pick<Trial, "id" | "group"> & { impossible: ClusterError });

/** What a trial that begins with another one's state computes depends on that as well. */
export function knownTrial(space: Space, values: Values, code: string, parent?: Parent): KnownTrial {
  try {
    const trial = trialOf(space, values, code);
    if (parent === undefined) return trial;
    const id = sha256([trial.id, parent.trial, parent.rung, parent.weights]).slice(0, ID_DIGITS);
    return { ...trial, id, group: id };
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code !== "config") throw error;
    const id = sha256([values, code, parent ?? null]).slice(0, ID_DIGITS);
    return { id, group: id, impossible: error };
  }
}

/** What it was comes from the sweep's own file: base-changes.ts. */
export const OTHER_BASE = "the base's settings or the code are others now";

/** Why the present spec and code do not make this trial; undefined where they do. */
export function outsideOf(
  space: Space,
  code: string,
  { trial, values, parent }: TrialLine,
): string | undefined {
  const paths = new Set(space.parameters.map(({ path }) => path));
  const wrong = space.parameters.find(({ path, domain }) => {
    const value = values[path];
    return value !== undefined && !isIn(domain, value);
  });
  if (wrong !== undefined) return `${wrong.path} ${JSON.stringify(values[wrong.path])} is not tried any more`;
  const listed = Object.keys(values).filter((path) => !paths.has(path));
  const isListed =
    space.spec.list?.some((entry) => isEntry(entry, values, listed, paths)) ?? listed.length === 0;
  if (!isListed)
    return space.spec.list === undefined
      ? `${listed.join(", ")} is not tried any more`
      : "it is not in the list any more";
  if (knownTrial(space, values, code, parent).id !== trial) return OTHER_BASE;
  return undefined;
}

/** Does the list's entry say all of these, and nothing that the trial has otherwise? */
function isEntry(
  entry: Values,
  values: Values,
  listed: readonly string[],
  paths: ReadonlySet<string>,
): boolean {
  const said = Object.keys(entry).filter((path) => !paths.has(path));
  return said.length === listed.length && listed.every((path) => isSame(entry[path], values[path]));
}
