/**
 * Where a trial's weights come from. In a population a trial may begin with another one's, which may have begun with a third
 * one's: to train it again, all of them are trained one after another, each to the rung at which the next one took over.
 */
import { type Config, configSchema } from "../../shared/config/run.js";
import { ClusterError } from "../../shared/errors.js";
import type { TrialRow } from "../../shared/records/sweep-line.js";
import type { SweepBook } from "./book.js";
import { rungConfig } from "./rungs.js";
import type { Space } from "./space-shape.js";
import { trialOf } from "./trial.js";

export interface Stage {
  trial: string;
  rung: number;
  /** Ends at the rung, and measures what the trial measured there. */
  config: Config;
  /** SHA-256 of its weights at the rung. */
  weights: string;
}

export interface SweepPast {
  space: Space;
  book: Pick<SweepBook, "row">;
  code: string;
}

/** Oldest first; the trial itself, at its newest rung, is the last. Throws ClusterError: "usage" (it has no weights), "data". */
export function lineageOf({ space, book, code }: SweepPast, row: TrialRow): Stage[] {
  const newest = row.rungs.at(-1);
  if (newest === undefined)
    throw new ClusterError("usage", `Trial ${row.trial} has no weights yet: it is ${row.state}`);
  const stages: Stage[] = [];
  let [member, rung]: [TrialRow, number] = [row, newest.rung];
  for (;;) {
    stages.unshift(stageOf({ space, code }, member, rung));
    const { parent } = member;
    if (parent === undefined) return stages;
    const before = book.row(parent.trial);
    // Whoever took over came later: so this ends.
    if (before === undefined || before.number >= member.number)
      throw new ClusterError(
        "data",
        `Cannot train trial ${row.trial} again: it descends from trial ${parent.trial}, which the journal does not have`,
      );
    [member, rung] = [before, parent.rung];
  }
}

function stageOf({ space, code }: Omit<SweepPast, "book">, row: TrialRow, rung: number): Stage {
  const weights = row.rungs.find((result) => result.rung === rung)?.weights;
  if (weights === undefined)
    throw new ClusterError("data", `The journal has no result of trial ${row.trial} at rung ${rung}`);
  const { config } = rungConfig(space, trialOf(space, row.values, code).config, rung);
  return { trial: row.trial, rung, config, weights };
}

const LEAST = configSchema.parse({
  evaluate: { kinds: ["clean"], clean_images: 10, diagnostics: false },
}).evaluate;

/** For its weights alone. */
export function unmeasured(config: Config): Config {
  return { ...config, train: { ...config.train, evaluate_every_epochs: 0 }, evaluate: LEAST };
}
