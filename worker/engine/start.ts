/** Starts the engine of a name: which implementation of program.ts runs on it is decided here alone. */
import type { EngineName } from "../../shared/engine.js";
import { startEngine } from "./eager/backend.js";
import { EagerPrograms } from "./eager/programs.js";
import type { Programs } from "./program.js";

/** Throws ClusterError("dependency") when the engine is not installed or has no such device. */
export async function startPrograms(name: EngineName): Promise<Programs> {
  return new EagerPrograms(await startEngine(name));
}
