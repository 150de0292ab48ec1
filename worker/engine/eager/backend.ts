/** Loads one engine of the ladder and hands out TensorFlow.js running on it. */
import { ClusterError } from "../../../shared/errors.js";
import type { RealEngine } from "../../../shared/engine.js";
import { startWasm } from "../wasm/backend.js";
import { startTensorflow } from "./tensorflow-backend.js";
import type { Engine } from "./tfjs.js";

/**
 * Starts the engine in this thread (main or worker_threads); a second call with the same name costs nothing.
 * `replaceKernels: false` leaves the backend's own kernels in place, wrong gradients included: for tests of the self-test.
 * Throws ClusterError("dependency") when the engine is not installed or has no such device.
 */
export async function startEngine(
  name: RealEngine,
  { replaceKernels = true }: { replaceKernels?: boolean } = {},
): Promise<Engine> {
  try {
    if (name === "wasm") return await startWasm(replaceKernels);
    return startTensorflow(name, replaceKernels);
  } catch (error) {
    if (error instanceof ClusterError) throw error;
    throw new ClusterError("dependency", `Cannot start engine "${name}": ${firstLine(error)}`, {
      hint: "run `npx saf setup`, or choose another engine by SAF_ENGINE",
      cause: error,
    });
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}
