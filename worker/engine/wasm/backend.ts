/** Loads the wasm backend, which npm alone provides everywhere, with the kernels of ours. */
import { createRequire } from "node:module";
import { dirname } from "node:path";
import type * as tfjsWasm from "@tensorflow/tfjs-backend-wasm";
import { type Engine, loadCore } from "../eager/tfjs.js";
import { registerWasmKernels } from "./kernels.js";

const require = createRequire(import.meta.url);

export async function startWasm(replaceKernels: boolean): Promise<Engine> {
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
