/** Reads and cuts up a data set in a thread of its own: hashing and unpacking take seconds. Started by load-aside.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { ClusterError } from "../../../shared/errors.js";
import { loadDataset } from "./data-sets.js";
import { type PreparedDataset, prepareDataset } from "./dataset.js";
import type { LoadAnswer, LoadOrder } from "./load-aside.js";

/** Smaller buffers may be slices of memory that others use too. */
const MOVED_BYTES = 1024 * 1024;

const { name, dir, checkOnly } = workerData as LoadOrder;

function say(answer: LoadAnswer, moved: ArrayBuffer[] = []): void {
  parentPort?.postMessage(answer, moved);
}

/** Large buffers are handed over, not copied. */
function buffersOf({ dataset, train, test }: PreparedDataset): ArrayBuffer[] {
  const arrays = [
    ...[dataset.train, dataset.test].flatMap(({ pixels, labels }) => [pixels, labels]),
    ...[...train, ...test].map(({ bytes }) => bytes),
  ];
  const buffers = new Set(arrays.flatMap(({ buffer }) => (buffer instanceof ArrayBuffer ? [buffer] : [])));
  return [...buffers].filter(({ byteLength }) => byteLength >= MOVED_BYTES);
}

try {
  const dataset = await loadDataset(name, dir, process.env);
  if (checkOnly) say({});
  else {
    const prepared = prepareDataset(dataset);
    say({ prepared }, buffersOf(prepared));
  }
} catch (error) {
  if (!(error instanceof ClusterError)) throw error;
  const { code, message, hint } = error;
  say({ failure: { code, message, ...(hint === undefined ? {} : { hint }) } });
}
