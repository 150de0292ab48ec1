/** How much each parameter matters for the first objective: fanova.ts over the trials that compare. */
import type { Objective } from "../../../../shared/config/objectives.js";
import type { TrialRow } from "../../../../shared/records/sweep-line.js";
import type { SweepResults } from "../data.js";
import { type ShownParameter, placeOf } from "../parameters.js";
import { thinned } from "../thinned.js";
import { fanova } from "./fanova.js";
import type { Table } from "./forest.js";

export interface Importance {
  method: "fANOVA";
  metric: string;
  /** Trials behind it: all that were measured at this rung. */
  trials: number;
  rung: number;
  samples: number;
  /** R² of the forest on trials that its trees have not seen. */
  fit: number;
  /** Most important first. */
  parameters: readonly { path: string; name: string; share: number }[];
}

/** Fewer trials say nothing. */
export const FEWEST = 12;
/** More are thinned out, evenly: a forest of more is no better, but slower. */
const MOST = 1_000;
/** Of a parameter that is a range. */
const BINS = 24;

/** Of the highest rung that enough trials reached; undefined where none was reached by enough. */
export function importanceOf(
  { rows, spec }: Pick<SweepResults, "rows" | "spec">,
  { metric }: Objective,
  parameters: readonly ShownParameter[],
): Importance | undefined {
  const measured = highestRung(rows, metric);
  if (measured === undefined || parameters.length === 0) return undefined;
  const { rung, samples, trials } = measured;
  const used = thinned(trials, MOST);
  const found = fanova(tableOf(used, parameters), spec.search.seed);
  if (found === undefined) return undefined;
  return {
    method: "fANOVA",
    metric,
    trials: used.length,
    rung,
    samples,
    fit: found.fit,
    parameters: parameters
      .map(({ path, name }, i) => ({ path, name, share: found.shares[i] ?? 0 }))
      .sort((a, b) => b.share - a.share),
  };
}

interface MeasuredTrial {
  row: TrialRow;
  value: number;
}

function highestRung(
  rows: readonly TrialRow[],
  metric: string,
): { rung: number; samples: number; trials: MeasuredTrial[] } | undefined {
  const rungs = new Map<number, { samples: number; trials: MeasuredTrial[] }>();
  for (const row of rows) {
    for (const { rung, samples, metrics } of row.rungs) {
      const value = metrics[metric];
      if (value === undefined || !Number.isFinite(value)) continue;
      const at = rungs.get(rung) ?? { samples, trials: [] };
      at.trials.push({ row, value });
      rungs.set(rung, at);
    }
  }
  const enough = [...rungs].filter(([, { trials }]) => trials.length >= FEWEST);
  const [highest] = enough.sort(([a], [b]) => b - a);
  return highest === undefined ? undefined : { rung: highest[0], ...highest[1] };
}

/** A parameter that some trials do not set has a bin more, for these. */
function tableOf(trials: readonly MeasuredTrial[], parameters: readonly ShownParameter[]): Table {
  const shapes = parameters.map((parameter) => {
    const bins = parameter.range === undefined ? parameter.categories.length : BINS;
    const isConditional = trials.some(({ row }) => placeOf(parameter, row) === undefined);
    return { parameter, bins, all: bins + Number(isConditional) };
  });
  return {
    bins: shapes.map(({ all }) => all),
    columns: shapes.map(({ parameter, bins }) =>
      Uint8Array.from(trials, ({ row }) => {
        const place = placeOf(parameter, row);
        return place === undefined ? bins : Math.min(bins - 1, Math.floor(place * bins));
      }),
    ),
    target: Float64Array.from(trials, ({ value }) => value),
  };
}
