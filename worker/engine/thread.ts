/**
 * The engine thread: engines block the event loop completely while they compute, so sockets and heartbeats stay on the
 * main thread. Started by port.ts.
 */
import { parentPort, workerData } from "node:worker_threads";
import { VectorMemory } from "../../shared/core/vectors/vector-memory.js";
import { ENGINE_THREAD, traceFile } from "../../shared/io/trace-file.js";
import { EngineHost } from "./host.js";
import type { EngineStart, FromEngine, ToEngine } from "./messages.js";
import { startPrograms } from "./start.js";

const port = parentPort;
if (port === null) throw new Error("thread.js must be started as a worker thread");
const { engine, computeMs, id = "worker" } = workerData as EngineStart;
const trace = traceFile(process.env, { process: id, thread: ENGINE_THREAD });
const host = new EngineHost({
  programs: await startPrograms(engine, {
    computeMs,
    onWarning: (message) => port.postMessage({ type: "warning", message } satisfies FromEngine),
  }),
  send: (message) => port.postMessage(message),
  vectors: new VectorMemory(),
  now: () => performance.now(),
  part: trace?.tracer.part,
});
port.on("message", (orders: ToEngine[]) => {
  for (const order of orders) host.handle(order);
  // The thread is ended without a word, so what was measured must be written when there is time.
  trace?.flush();
});
host.announce();
