/** What every contender of a benchmark stands on. */
import { COMPILE_VARIABLE } from "../../worker/engine/environment.js";
import type { NatsBinary } from "../local/nats/resolve.js";
import { type EngineChoice, workerEnvironment } from "../setup/engine.js";
import type { EngineMode } from "./core/contenders.js";

export interface Ground {
  choice: EngineChoice;
  nats: NatsBinary;
  cacheDir: string;
  /** The Python that has torch. */
  python: string;
  /** A trained run that evaluations measure; without it, one is trained. */
  trained?: string | undefined;
}

/** Variables of a process that computes in this mode; the engine's own choice where it is undefined. */
export function engineVariables({ choice }: Ground, mode: EngineMode | undefined): Record<string, string> {
  const compile = mode === undefined ? {} : { [COMPILE_VARIABLE]: mode === "graph" ? "on" : "off" };
  return { ...workerEnvironment(choice), ...compile };
}
