/** Which of the pictures that an evaluation kept are shown. */
import { PROCEDURES, type SampleImage, type SeriesLabel, procedureOf } from "../../../shared/results.js";

/** The same picture may have been made by an earlier checkpoint: the last one counts. */
export function newestSamples(lines: readonly { samples: readonly SampleImage[] }[]): SampleImage[] {
  const newest = new Map<string, SampleImage>();
  for (const sample of lines.flatMap((line) => line.samples)) {
    newest.set(
      `${sample.kind} ${labelKey(sample)} ${sample.attack} ${sample.strength} ${sample.index}`,
      sample,
    );
  }
  return [...newest.values()];
}

/** Names a series, whatever older versions left out of its label. */
export function labelKey({ protocol = "paper", attack = "", norm = "linf" }: SeriesLabel): string {
  return `${protocol} ${protocol === "paper" ? "" : attack} ${norm}`;
}

/** Pictures of one procedure: the paper's, or, kind by kind, the first that there is. */
export function shownSamples(samples: readonly SampleImage[]): SampleImage[] {
  const first = new Map<string, string>();
  const byProcedure = [...samples].sort(
    (a, b) => PROCEDURES.indexOf(procedureOf(a)) - PROCEDURES.indexOf(procedureOf(b)),
  );
  return byProcedure.filter((sample) => {
    const key = `${procedureOf(sample)} ${sample.attack ?? ""} ${sample.norm ?? ""}`;
    if (!first.has(sample.kind)) first.set(sample.kind, key);
    return first.get(sample.kind) === key;
  });
}
