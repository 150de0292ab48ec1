/** Loads the native library of TensorFlow, on the CPU or a GPU. */
import { createRequire } from "node:module";
import { isMainThread } from "node:worker_threads";
import { ClusterError } from "../../../shared/errors.js";
import { setEngineEnvironment } from "../environment.js";
import { nodeBackendOf } from "./node-backend.js";
import { registerTensorflowKernels } from "./tensorflow-kernels.js";
import { type Engine, loadCore } from "./tfjs.js";

const require = createRequire(import.meta.url);

/**
 * Thread caps and library paths come from the environment, read when the native addon is loaded. For a thread, whoever
 * starts it has set them: port.ts.
 */
export function startTensorflow(name: "tensorflow" | "tensorflow-gpu", replaceKernels: boolean): Engine {
  restoreRemovedNodeFunctions();
  if (isMainThread) setEngineEnvironment(name);
  const tf = loadCore();
  const isLoaded = tf.getBackend() === "tensorflow";
  // The two packages differ by name alone; which devices there are depends on the library that is linked into them.
  const usual = name === "tensorflow-gpu" ? "@tensorflow/tfjs-node-gpu" : "@tensorflow/tfjs-node";
  if (!isLoaded) require(process.env["SAF_TFJS_NODE_PACKAGE"] ?? usual);
  const backend = nodeBackendOf(tf);
  if (!isLoaded && replaceKernels) registerTensorflowKernels(tf);
  if (name === "tensorflow-gpu" && !backend.isUsingGpuDevice) {
    throw new ClusterError(
      "dependency",
      'Cannot start engine "tensorflow-gpu": TensorFlow found no usable GPU',
      {
        hint: "`npx saf doctor` looks at driver, card and CUDA libraries; LD_LIBRARY_PATH must name the folders of the last",
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
