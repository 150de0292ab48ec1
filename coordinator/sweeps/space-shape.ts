/** What a sweep searches, as a value: its spec and base, checked, and what follows from them. space.ts makes one. */
import type { Settings } from "../../shared/config/laid-settings.js";
import type { Constraint, Objective } from "../../shared/config/objectives.js";
import type { Config } from "../../shared/config/run.js";
import type { Condition, SearchMethod, SweepSpec } from "../../shared/config/sweep.js";
import type { DataSetName, DataSetSize } from "../../shared/data-set-names.js";
import type { Domain } from "./domains.js";

export interface SpaceParameter {
  path: string;
  domain: Domain;
  when?: Condition;
  /**
   * drawn: the search chooses; crossed: each value is tried with everything else; repeated: the same, and results are
   * gathered over it.
   */
  role: "drawn" | "crossed" | "repeated";
}

export interface Space {
  spec: SweepSpec;
  /** The base's settings as its file says them; a trial's values are laid over them. */
  settings: Settings;
  /** The same, defaults filled in. */
  base: Config;
  method: SearchMethod;
  /** In the spec's order. */
  parameters: readonly SpaceParameter[];
  /** At least one. */
  objectives: readonly Objective[];
  constraints: readonly Constraint[];
  /** What is compared at a rung; absent without early stopping. */
  stopping?: Objective;
  sizeOf: (set: DataSetName) => DataSetSize;
}
