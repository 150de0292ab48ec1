/** Starts the engine of a name: which implementation of program.ts runs on it is decided here alone. */
import { EMULATED, type EngineName } from "../../shared/engine.js";
import type { Programs } from "./program.js";

/**
 * `computeMs`: time that the emulated engine takes for a slot. What the others need is loaded for them alone. Throws
 * ClusterError("dependency") when the engine is not installed or has no such device.
 */
export async function startPrograms(name: EngineName, computeMs = 0): Promise<Programs> {
  if (name === EMULATED) {
    const { EmulatedPrograms, realPace } = await import("./emulated/programs.js");
    return new EmulatedPrograms(realPace(computeMs));
  }
  const { startEngine } = await import("./eager/backend.js");
  const { EagerPrograms } = await import("./eager/programs.js");
  return new EagerPrograms(await startEngine(name));
}
