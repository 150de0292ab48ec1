/** Child of engine.test.ts: starts an engine, does one task, reports as a line of JSON or as a message to its parent. */
import { parentPort } from "node:worker_threads";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { RealEngine } from "../../../shared/engine.js";
import { startEngine } from "../../../worker/engine/eager/backend.js";
import { runSelfTest } from "../../../worker/engine/eager/self-test.js";
import { EagerPrograms } from "../../../worker/engine/eager/programs.js";
import { measureSpeed } from "../../../worker/engine/speed-probe.js";
import type { TensorFlow } from "../../../worker/engine/eager/tfjs.js";

const [engineName, task] = process.argv.slice(2) as [RealEngine, string];

/** Spoils one cell of every product with a transposed left factor: what a subtly broken kernel would do. */
function plantInWeightGradient(tf: TensorFlow, spoil: (cell: number) => number): void {
  const original = tf.getKernel("BatchMatMul", "wasm");
  tf.unregisterKernel("BatchMatMul", "wasm");
  tf.registerKernel({
    ...original,
    kernelFunc: (call) => {
      const product = original.kernelFunc(call) as TensorInfo;
      if (call.attrs?.["transposeA"] === true) {
        const heap = (call.backend as { typedArrayFromHeap(t: TensorInfo): Float32Array }).typedArrayFromHeap(
          product,
        );
        heap[7] = spoil(heap[7]!);
      }
      return product;
    },
  });
}

const engine = await startEngine(engineName, { replaceKernels: task !== "stock-kernels" });
const { tf } = engine;
if (task === "plant-error") plantInWeightGradient(tf, (cell) => cell + 1);
if (task === "plant-nan") plantInWeightGradient(tf, () => Number.NaN);

const before = tf.memory().numTensors;
if (task === "train") measureSpeed(new EagerPrograms(engine), { batch: 4, seconds: 1 });
const selfTest = runSelfTest(tf);
const report = {
  selfTest,
  leaked: tf.memory().numTensors - before,
  listeners: process.listenerCount("uncaughtException") + process.listenerCount("unhandledRejection"),
};
if (parentPort !== null) parentPort.postMessage(report);
else process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
