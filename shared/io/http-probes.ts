/** /metrics, /healthz and /readyz, answered in a thread of their own with what the main thread says. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { hasBody, refuse } from "./http-server.js";

/** What the main thread can be asked for. */
export type Question = "metrics" | "ready";

export interface Answer {
  status: number;
  type: string;
  body: string;
  /** Of an answer to "ready": why this process should be started again, if it should. */
  hangs?: string | undefined;
}

/** Rejects when the main thread ends. */
export type Ask = (question: Question, accept?: string) => Promise<Answer>;

/** What a scraper says that understands exemplars. */
const OPEN_METRICS = "application/openmetrics-text";
/** However many scrape at once, the main thread is asked at most so often. */
const FRESH_MS = 200;
/** A probe gets its answer within a kubelet's patience of one second. */
const PATIENCE_MS = 800;
/** A main thread that is silent for this long will not come back: the process should be started again. */
const HUNG_MS = 30_000;

export class Probes {
  readonly #metrics: { text: Kept; openMetrics: Kept };
  readonly #ready: Kept;
  readonly #clock: () => number;

  constructor(ask: Ask, clock: () => number = () => performance.now()) {
    this.#clock = clock;
    this.#metrics = {
      text: new Kept(() => ask("metrics"), clock),
      openMetrics: new Kept(() => ask("metrics", OPEN_METRICS), clock),
    };
    this.#ready = new Kept(() => ask("ready"), clock);
  }

  /** Answers, when the path is one of the three; false when it is not. */
  answer(path: string, request: IncomingMessage, response: ServerResponse): boolean {
    if (path !== "/metrics" && path !== "/healthz" && path !== "/readyz") return false;
    if (request.method !== "GET" && request.method !== "HEAD") refuse(response, 405, "only GET and HEAD");
    else if (hasBody(request)) refuse(response, 413);
    else {
      void this.#answerTo(path, request.headers.accept ?? "").then(({ status, type, body }) => {
        response.writeHead(status, {
          "content-type": type,
          "cache-control": "no-store",
          "x-content-type-options": "nosniff",
        });
        response.end(request.method === "HEAD" ? undefined : body);
      });
    }
    return true;
  }

  async #answerTo(path: "/metrics" | "/healthz" | "/readyz", accept: string): Promise<Answer> {
    const metrics = accept.includes(OPEN_METRICS) ? this.#metrics.openMetrics : this.#metrics.text;
    const kept = path === "/metrics" ? metrics : this.#ready;
    const answer = await kept.within(PATIENCE_MS);
    if (path !== "/healthz") return answer ?? plain(503, "the main thread is busy");
    if (answer?.hangs !== undefined) return plain(503, answer.hangs);
    const silentMs = this.#clock() - (this.#ready.waitingSince ?? this.#clock());
    return silentMs < HUNG_MS
      ? plain(200, "ok")
      : plain(503, `the main thread has not answered for ${Math.round(silentMs / 1000)} s`);
  }
}

/** The newest answer to one question; while it is fresh, or being asked for, nobody asks again. */
class Kept {
  readonly #ask: () => Promise<Answer>;
  readonly #clock: () => number;
  #asked: Promise<Answer> | undefined;
  #askedMs = -Infinity;
  /** Since when an answer is due. */
  waitingSince: number | undefined;

  constructor(ask: () => Promise<Answer>, clock: () => number) {
    this.#ask = ask;
    this.#clock = clock;
  }

  async within(patienceMs: number): Promise<Answer | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), patienceMs);
    });
    try {
      return await Promise.race([this.#newest(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #newest(): Promise<Answer> {
    const now = this.#clock();
    if (this.#asked !== undefined && (this.waitingSince !== undefined || now - this.#askedMs < FRESH_MS))
      return this.#asked;
    this.#askedMs = now;
    this.waitingSince = now;
    this.#asked = this.#ask().catch((error: unknown) => plain(500, String(error)));
    void this.#asked.then(() => (this.waitingSince = undefined));
    return this.#asked;
  }
}

function plain(status: number, words: string): Answer {
  return { status, type: "text/plain; charset=utf-8", body: `${words}\n` };
}
