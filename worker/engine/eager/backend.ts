/** Loads one engine of the ladder and hands out TensorFlow.js running on it. */
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { ClusterError } from "../../../shared/errors.js";
import type { EngineInfo, EngineName } from "../../../shared/engine.js";
import type * as tfjs from "@tensorflow/tfjs-core";
import type * as tfjsWasm from "@tensorflow/tfjs-backend-wasm";
import { registerTensorflowKernels } from "./tensorflow-kernels.js";
import { registerWasmKernels } from "../wasm/kernels.js";

/** TensorFlow.js and what it runs on. The process has one engine; all parts share its tensors. */
export interface Engine {
  tf: typeof tfjs;
  info: EngineInfo;
}

// Every package must meet the same copy of tfjs-core, and the native one is CommonJS: so all come by `require`.
const require = createRequire(import.meta.url);

/**
 * Starts the engine in this thread (main or worker_threads); a second call with the same name costs nothing.
 * Thread caps and library paths come from the environment, read when the native addon is loaded.
 * `replaceKernels: false` leaves the backend's own kernels in place, wrong gradients included: for tests of the self-test.
 * Throws ClusterError("dependency") when the engine is not installed or has no such device.
 */
export async function startEngine(
  name: EngineName,
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

function loadCore(): typeof tfjs {
  // The union package registers the operations' gradients with the one copy of the core.
  require("@tensorflow/tfjs");
  return require("@tensorflow/tfjs-core") as typeof tfjs;
}

async function startWasm(replaceKernels: boolean): Promise<Engine> {
  const tf = loadCore();
  if (tf.getBackend() !== "wasm") {
    const wasm = require("@tensorflow/tfjs-backend-wasm") as typeof tfjsWasm;
    wasm.setWasmPaths(`${dirname(require.resolve("@tensorflow/tfjs-backend-wasm"))}/`);
    const listeners = exceptionListeners();
    const started = await tf.setBackend("wasm");
    removeOtherListeners(listeners);
    if (!started) throw new Error("the wasm backend did not initialize");
    if (replaceKernels) registerWasmKernels(tf);
  }
  const { version } = require("@tensorflow/tfjs-backend-wasm/package.json") as { version: string };
  return { tf, info: { name: "wasm", version: `tfjs-backend-wasm ${version}`, device: "cpu" } };
}

const EXCEPTION_EVENTS = ["uncaughtException", "unhandledRejection"] as const;

function exceptionListeners(): Set<unknown> {
  return new Set(EXCEPTION_EVENTS.flatMap((event) => process.listeners(event as "uncaughtException")));
}

/** The wasm loader hooks into the process's exceptions and would change how everything else here fails. */
function removeOtherListeners(known: ReadonlySet<unknown>): void {
  for (const event of EXCEPTION_EVENTS) {
    for (const listener of process.listeners(event as "uncaughtException")) {
      if (!known.has(listener)) process.removeListener(event, listener);
    }
  }
}

/** What is used of the native backend. */
interface NativeBackend {
  binding: { TF_Version: string };
  isUsingGpuDevice: boolean;
}

function startTensorflow(name: "tensorflow" | "tensorflow-gpu", replaceKernels: boolean): Engine {
  restoreRemovedNodeFunctions();
  const tf = loadCore();
  const isLoaded = tf.getBackend() === "tensorflow";
  // The two packages differ by name alone; which devices there are depends on the library that is linked into them.
  const usual = name === "tensorflow-gpu" ? "@tensorflow/tfjs-node-gpu" : "@tensorflow/tfjs-node";
  if (!isLoaded) require(process.env["SAF_TFJS_NODE_PACKAGE"] ?? usual);
  const backend = tf.backend() as unknown as NativeBackend;
  if (!isLoaded && replaceKernels) registerTensorflowKernels(tf);
  if (name === "tensorflow-gpu" && !backend.isUsingGpuDevice) {
    throw new ClusterError(
      "dependency",
      'Cannot start engine "tensorflow-gpu": TensorFlow found no usable GPU',
      {
        hint: "check nvidia-smi, the driver, and that LD_LIBRARY_PATH names the CUDA libraries (saf setup prints it)",
      },
    );
  }
  return {
    tf,
    info: {
      name,
      version: `TensorFlow ${backend.binding.TF_Version}${usesOneDnn() ? " with oneDNN" : ""}`,
      device: backend.isUsingGpuDevice ? (process.env["SAF_GPU_NAME"] ?? "GPU") : "cpu",
    },
  };
}

/** On unless it is turned off. Part of the version, for it changes the order of sums and so the last digits. */
function usesOneDnn(): boolean {
  return process.arch === "x64" && process.env["TF_ENABLE_ONEDNN_OPTS"] !== "0";
}

/** tfjs-node 4.22 calls two functions that Node 23 removed. */
function restoreRemovedNodeFunctions(): void {
  const util = require("node:util") as Record<string, unknown>;
  util["isNullOrUndefined"] ??= (value: unknown): boolean => value === null || value === undefined;
  util["isArray"] ??= (value: unknown): boolean => Array.isArray(value);
}
