/** The one copy of TensorFlow.js that all parts of the process share. */
import { createRequire } from "node:module";
import type * as tfjs from "@tensorflow/tfjs-core";
import type { EngineInfo } from "../../../shared/engine.js";

export type TensorFlow = typeof tfjs;

/** TensorFlow.js and what it runs on. The process has one engine; all parts share its tensors. */
export interface Engine {
  tf: TensorFlow;
  info: EngineInfo;
}

// Every package must meet the same copy of tfjs-core, and the native one is CommonJS: so all come by `require`.
const require = createRequire(import.meta.url);

export function loadCore(): TensorFlow {
  return withoutSourceMaps(() => {
    // The union package registers the operations' gradients with the one copy of the core.
    require("@tensorflow/tfjs");
    return require("@tensorflow/tfjs-core") as TensorFlow;
  });
}

/** Node would read and keep the maps of what is loaded, 20 MB of text whose lines nobody looks up. */
function withoutSourceMaps<Value>(load: () => Value): Value {
  const isEnabled = process.sourceMapsEnabled;
  process.setSourceMapsEnabled(false);
  try {
    return load();
  } finally {
    process.setSourceMapsEnabled(isEnabled);
  }
}

/** Registers a kernel in place of the backend's own; `Backend`: what is used of it. */
export function replaceKernel<Inputs, Attributes, Backend>(
  tf: TensorFlow,
  backendName: string,
  kernelName: string,
  kernel: (inputs: Inputs, attributes: Attributes, backend: Backend) => tfjs.TensorInfo,
): void {
  if (tf.getKernel(kernelName, backendName) !== undefined) tf.unregisterKernel(kernelName, backendName);
  tf.registerKernel({
    kernelName,
    backendName,
    kernelFunc: ({ inputs, attrs, backend }) =>
      kernel(inputs as Inputs, attrs as Attributes, backend as Backend),
  });
}
