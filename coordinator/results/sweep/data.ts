/** What the results of a sweep are made of. Plain data: nothing is looked up while it is drawn. */
import type { Settings } from "../../../shared/config/laid-settings.js";
import type { Constraint, Objective } from "../../../shared/config/objectives.js";
import type { SweepSpec } from "../../../shared/config/sweep.js";
import type { DecisionLine, TrialRow } from "../../../shared/records/sweep-line.js";

export interface SweepResults {
  spec: SweepSpec;
  /** Of the base, as its file says them: a trial's values are laid over them. */
  settings: Settings;
  /** At least one; plots show the first. */
  objectives: readonly Objective[];
  constraints: readonly Constraint[];
  rows: readonly TrialRow[];
  /** In the journal's order; the page shows the newest reasons to go on. May be empty. */
  decisions: readonly DecisionLine[];
  /** The sweep's folder, as its commands name it. */
  directory: string;
  /** Version of the code that decides results. */
  code: string;
  /** Seconds since 1970: of the journal's first line and of its newest. */
  began: number;
  until: number;
  /** A process works on it: what it has begun runs. */
  isAtWork?: boolean;
}
