/**
 * The HTTP server of a process, in a thread of its own: what viewers and scrapers cost, and what hostile clients do,
 * the thread that trains does not feel. This is the main thread's side.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { ClusterError, type ErrorCode } from "../errors.js";
import type { Answer, Question } from "./http-probes.js";
import type { HttpLog, HttpOptions } from "./http-server.js";

/** From the thread. */
export type FromThread =
  | { kind: "serving"; url: string }
  | { kind: "failed"; code: ErrorCode; message: string; hint: string | undefined }
  | { kind: "ask"; question: Question; id: number; accept: string }
  | { kind: "log"; level: "info" | "warn" | "error"; message: string }
  /** So many messages were worked off. */
  | { kind: "heard"; count: number };

/** To the thread. */
export type ToThread =
  { kind: "tell"; message: unknown } | { kind: "answer"; id: number; answer: Answer } | { kind: "close" };

/** What the thread is started with. */
export interface ThreadData<Page = unknown> {
  http: HttpOptions;
  page: Page;
}

export interface HttpServiceOptions {
  /** The script of the thread. */
  script: URL;
  http: HttpOptions;
  /** For the thread; must survive a structured clone. */
  page?: unknown;
  /** The text of /metrics and its type, for a scraper that accepts this. */
  metrics: (accept: string) => Promise<{ type: string; text: string }>;
  /** Is this process able to do its work now? The reason, when not. */
  ready: () => string | undefined;
  /** Why it will never do any more, though this thread answers; a process that can tell is to be started again. */
  hangs?: () => string | undefined;
  log: HttpLog;
}

export interface HttpService {
  url: string;
  /** Told to the thread, or dropped when it lags far behind. */
  tell(message: unknown): void;
  close(): Promise<void>;
}

/** Messages under way at most; a viewer misses the rest, but memory does not grow. */
const MOST_UNHEARD = 2_000;
const MEMORY = { maxOldGenerationSizeMb: 192, maxYoungGenerationSizeMb: 16 };
const RESTART_LIMIT = 5;
const RESTART_PAUSE_MS = 1_000;

/** Throws ClusterError: "dependency" when the port is taken, "config" for files that are of no use. */
export async function serveHttp(options: HttpServiceOptions): Promise<HttpService> {
  const service = new ThreadService(options);
  await service.start(options.http);
  return service;
}

class ThreadService implements HttpService {
  readonly #options: HttpServiceOptions;
  #thread: Worker | undefined;
  #unheard = 0;
  #restarts = 0;
  #closing = false;
  url = "";

  constructor(options: HttpServiceOptions) {
    this.#options = options;
  }

  start(http: HttpOptions): Promise<void> {
    const { script, page, log } = this.#options;
    const data: ThreadData = { http, page };
    const thread = new Worker(script, { workerData: data, resourceLimits: MEMORY, execArgv: [] });
    this.#thread = thread;
    this.#unheard = 0;
    thread.unref();
    const ended = (reason: string): void => {
      if (this.#closing || this.#thread !== thread) return;
      this.#thread = undefined;
      log("error", `The HTTP server ended: ${reason}`);
      if (this.url !== "") this.#again(http);
    };
    thread.on("error", (error) => ended(error.message));
    thread.on("exit", () => ended("its thread is gone"));
    return new Promise((resolve, reject) => {
      thread.on("error", reject);
      thread.on("message", (message: FromThread) => {
        if (message.kind === "serving") {
          this.url = message.url;
          resolve();
        } else if (message.kind === "failed") {
          this.#thread = undefined;
          const { code, message: words, hint } = message;
          reject(new ClusterError(code, words, hint === undefined ? {} : { hint }));
        } else this.#onMessage(message);
      });
    });
  }

  /** On the same port, for whoever looked at it. */
  #again(http: HttpOptions): void {
    if (this.#restarts++ >= RESTART_LIMIT) return;
    const port = Number(new URL(this.url).port);
    setTimeout(() => {
      if (!this.#closing)
        this.start({ ...http, port }).catch((error: unknown) => this.#options.log("error", String(error)));
    }, RESTART_PAUSE_MS).unref();
  }

  #onMessage(message: Exclude<FromThread, { kind: "serving" | "failed" }>): void {
    switch (message.kind) {
      case "heard":
        this.#unheard -= message.count;
        return;
      case "log":
        return this.#options.log(message.level, message.message);
      case "ask":
        void this.#answerTo(message).then((answer) => {
          this.#post({ kind: "answer", id: message.id, answer });
        });
    }
  }

  async #answerTo({ question, accept }: { question: Question; accept: string }): Promise<Answer> {
    const { metrics, ready, hangs } = this.#options;
    const type = "text/plain; charset=utf-8";
    if (question === "ready") {
      const reason = ready();
      return {
        status: reason === undefined ? 200 : 503,
        type,
        body: `${reason ?? "ok"}\n`,
        hangs: hangs?.(),
      };
    }
    try {
      const found = await metrics(accept);
      return { status: 200, type: found.type, body: found.text };
    } catch (error) {
      return { status: 500, type, body: `${String(error)}\n` };
    }
  }

  tell(message: unknown): void {
    if (this.#unheard >= MOST_UNHEARD) return;
    this.#unheard++;
    this.#post({ kind: "tell", message });
  }

  #post(message: ToThread): void {
    this.#thread?.postMessage(message);
  }

  /** May be called again. */
  async close(): Promise<void> {
    this.#closing = true;
    const thread = this.#thread;
    this.#thread = undefined;
    if (thread === undefined) return;
    thread.ref();
    const gone = once(thread, "exit");
    thread.postMessage({ kind: "close" } satisfies ToThread);
    await gone;
  }
}
