/** The main thread's side of the engine thread. */
import { Worker as Thread } from "node:worker_threads";
import { ClusterError } from "../../shared/errors.js";
import type { EngineFingerprint } from "../../shared/fingerprint.js";
import type { EngineInfo, SelfTestReport } from "../../shared/engine.js";
import { setEngineEnvironment } from "./environment.js";
import type { EngineStart, FromEngine, ToEngine } from "./messages.js";

export interface EnginePort {
  info: EngineInfo;
  selfTest: SelfTestReport;
  fingerprint: EngineFingerprint;
  send(message: ToEngine): void;
  /** Every message of the engine; `undefined` once the thread has ended by itself. */
  onMessage(handler: (message: FromEngine | undefined) => void): void;
  stop(): Promise<void>;
}

/**
 * Starts the engine thread and waits for its self-test. Throws ClusterError("dependency") when it does not start, or
 * when `signal` ends it before.
 */
export function startEngineThread(data: EngineStart, signal?: AbortSignal): Promise<EnginePort> {
  const { engine } = data;
  setEngineEnvironment(engine);
  const thread = new Thread(new URL("./thread.js", import.meta.url), { workerData: data });
  const giveUp = (): void => void thread.terminate();
  signal?.addEventListener("abort", giveUp, { once: true });
  return new Promise((resolve, reject) => {
    /** Said before anybody listened. */
    const early: (FromEngine | undefined)[] = [];
    let deliver: (message: FromEngine | undefined) => void = (message) => early.push(message);
    thread.on("message", (message: FromEngine) => {
      if (message.type !== "ready") {
        deliver(message);
        return;
      }
      signal?.removeEventListener("abort", giveUp);
      const prepared: ToEngine[] = [];
      resolve({
        info: message.info,
        selfTest: message.selfTest,
        fingerprint: message.fingerprint,
        send: (order) => {
          prepared.push(order);
          // Each message wakes the thread: what prepares for an order goes with it.
          if ("leaseId" in order) thread.postMessage(prepared.splice(0));
        },
        onMessage: (handler) => {
          deliver = handler;
          for (const message of early.splice(0)) handler(message);
        },
        stop: async () => {
          await thread.terminate();
        },
      });
    });
    thread.on("error", (cause) => {
      reject(new ClusterError("dependency", `Cannot start engine "${engine}": ${cause.message}`, { cause }));
      deliver(undefined);
    });
    thread.on("exit", () => {
      reject(new ClusterError("dependency", `Engine "${engine}" ended while starting`));
      deliver(undefined);
    });
  });
}
