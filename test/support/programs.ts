/** Programs for tests: networks on an engine, with weights. */
import { layoutOf, type Network } from "../../shared/networks/network.js";
import type { Program, Programs } from "../../worker/engine/program.js";

/** The caller disposes it. */
export function loadedProgram(programs: Programs, network: Network, parameters: Float32Array): Program {
  const program = programs.create(network, layoutOf(network));
  program.load(parameters);
  return program;
}
