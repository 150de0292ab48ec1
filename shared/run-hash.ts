/** Hashes that tell runs apart, and what they are made of; they protect nothing. */
import { fnv } from "./core/fnv.js";
import type { saf } from "./messages.js";

/** The 8 bytes that stand for a run in every bulk chunk, as 16 hex digits. */
export function runHashOf(runId: string): string {
  return fnv(runId);
}

/**
 * What decides how a worker computes a run's units: its configuration and its images. What a worker has loaded is keyed by
 * this and not by the run's name, under which another run may have been known.
 */
export function recipeOf(spec: saf.v1.RunSpec.$Properties): string {
  const known = recipes.get(spec);
  if (known !== undefined) return known;
  const { configJson, data } = spec;
  const parts = (split: readonly saf.v1.DataPart.$Properties[] | null | undefined): string[] =>
    (split ?? []).map(({ sha256 }) => sha256 ?? "");
  const recipe = fnv(JSON.stringify([configJson ?? "", parts(data?.train), parts(data?.test)]));
  recipes.set(spec, recipe);
  return recipe;
}

/** By description, which does not change: every lease carries its recipe. */
const recipes = new WeakMap<object, string>();
