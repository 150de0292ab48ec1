/** The thread's side of http-service.ts: serves what it is given until the main thread says that it is enough. */
import { parentPort, workerData } from "node:worker_threads";
import { ClusterError } from "../errors.js";
import type { Answer, Ask } from "./http-probes.js";
import { type HttpHandler, type HttpLog, openServer } from "./http-server.js";
import type { FromThread, ThreadData, ToThread } from "./http-service.js";

/** The main thread, as the server's thread sees it. */
export interface MainThread<Page> {
  data: ThreadData<Page>;
  ask: Ask;
  log: HttpLog;
}

export interface Served extends HttpHandler {
  /** What the main thread tells. */
  hear?: (message: unknown) => void;
  /** What is left to end before the server closes. */
  close?: () => void;
}

/** Messages are told to be worked off in lots. */
const HEARD_LOT = 50;

/** Called once, at the start of the thread. `make` may throw a ClusterError. */
export async function serveInThread<Page>(make: (main: MainThread<Page>) => Promise<Served>): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error("This is the script of a thread");
  const post = (message: FromThread): void => port.postMessage(message);
  const log: HttpLog = (level, message) => post({ kind: "log", level, message });
  const waiting = new Map<number, (answer: Answer) => void>();
  let nextId = 0;
  const ask: Ask = (question, accept = "") =>
    new Promise((resolve) => {
      const id = nextId++;
      waiting.set(id, resolve);
      post({ kind: "ask", question, id, accept });
    });
  const early: unknown[] = [];
  let hear: (message: unknown) => void = (message) => early.push(message);
  let close: () => Promise<void> = () => Promise.resolve();
  let heard = 0;
  port.on("message", (message: ToThread) => {
    switch (message.kind) {
      case "tell":
        hear(message.message);
        if (++heard < HEARD_LOT) return;
        post({ kind: "heard", count: heard });
        heard = 0;
        return;
      case "answer":
        waiting.get(message.id)?.(message.answer);
        waiting.delete(message.id);
        return;
      case "close":
        void close().then(() => port.close());
    }
  });
  try {
    const data = workerData as ThreadData<Page>;
    const served = await make({ data, ask, log });
    const server = await openServer(data.http, served, log);
    hear = served.hear ?? (() => undefined);
    for (const message of early) hear(message);
    close = () => {
      served.close?.();
      return server.close();
    };
    post({ kind: "serving", url: server.url });
  } catch (error) {
    const { code, message, hint } =
      error instanceof ClusterError
        ? error
        : { code: "unexpected" as const, message: String(error), hint: undefined };
    post({ kind: "failed", code, message, hint });
    port.close();
  }
}
