/** What `saf verify` tells the process that computes steps again, a line of JSON, and what that says. */
import type { EngineName } from "../../shared/engine.js";
import type { Config } from "../../shared/config/run.js";
import type { RecomputedState, RecomputedStep } from "./comparison.js";

export interface RecomputeOrder {
  engine: EngineName;
  config: Config;
  dataDir: string | undefined;
  stretches: {
    /** Folder of the checkpoint to begin with; undefined for the seed's weights. */
    checkpoint: string | undefined;
    end: number;
    /** After these steps the state is hashed. */
    hashAfter: number[];
  }[];
}

export type RecomputeReport =
  | { kind: "step"; step: RecomputedStep }
  | { kind: "state"; state: RecomputedState }
  | { kind: "failed"; code: string; message: string; hint: string | undefined };
