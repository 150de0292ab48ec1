/** Which engine serves the runs of a command: what the command says and what the runs say must go together. */
import type { Config } from "../../shared/config/run.js";
import { EMULATED, type EngineName, enginesFor } from "../../shared/engine.js";
import { ClusterError } from "../../shared/errors.js";

export interface ChosenEngine {
  /** The runs, each of which says so where the engine is emulated. */
  configs: readonly Config[];
  /** This engine, or an error; undefined: the best there is. */
  engine: EngineName | undefined;
}

/** `said`: by `--engine` or SAF_ENGINE. Throws ClusterError("usage"), and "config" for runs of both kinds. */
export function chosenEngine(configs: readonly Config[], said: EngineName | undefined): ChosenEngine {
  if (said === EMULATED)
    return { configs: configs.map((config) => ({ ...config, engine: said })), engine: said };
  if (!enginesFor(configs).includes(EMULATED)) return { configs, engine: said };
  if (said === undefined) return { configs, engine: EMULATED };
  throw new ClusterError("usage", `Cannot serve an emulated run with engine "${said}"`, {
    hint: "leave --engine and SAF_ENGINE away, or take engine: emulated out of the run's file",
  });
}
