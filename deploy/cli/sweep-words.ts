/** What a sweep is after, in words. Pure. */
import type { Space } from "../../coordinator/sweeps/space.js";

/** What is wanted of a trial, and by what trials are stopped early. */
export function objectiveWords(
  { objectives, stopping, spec }: Pick<Space, "objectives" | "stopping" | "spec">,
  isGiven: boolean,
): string {
  const wanted = objectives.map(
    ({ metric, goal }) => `${metric}, ${goal === "maximize" ? "the more" : "the less"} the better`,
  );
  const taken = isGiven ? "" : " (the default: the file has no `objective`)";
  const by = stopping?.metric === objectives[0]?.metric ? "it" : (stopping?.metric ?? "it");
  const early = spec.stopping === undefined ? "" : `; ${spec.stopping.method} stops trials early by ${by}`;
  return `${wanted.join("; ")}${taken}${early}`;
}
