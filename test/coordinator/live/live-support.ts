/** The live page's server as a coordinator starts it, fed by hand. */
import type { TestContext } from "node:test";
import type { LivePage } from "../../../coordinator/live/live-thread.js";
import type { HttpOptions } from "../../../shared/io/http-server.js";
import { type HttpService, serveHttp } from "../../../shared/io/http-service.js";
import type { LiveEvent } from "../../../shared/events.js";

export interface Live {
  url: string;
  tell: (event: LiveEvent) => void;
  /** What the server wrote to the coordinator's log. */
  log: string[];
  /** How often the main thread was asked for metrics. */
  scrapes: () => number;
  close: () => Promise<void>;
}

export const PAGE: LivePage = {
  title: "saf test",
  pool: "local",
  version: "0.0.0",
  started: 1_800_000_000_000,
};

export async function startLive(
  t: TestContext | undefined,
  http: Partial<HttpOptions> = {},
  page: Partial<LivePage> = {},
): Promise<Live> {
  const log: string[] = [];
  let scrapes = 0;
  const service: HttpService = await serveHttp({
    script: new URL("../../../coordinator/live/live-thread.js", import.meta.url),
    http: { host: "127.0.0.1", port: 0, ...http },
    page: { ...PAGE, ...page },
    metrics: () => {
      scrapes++;
      const text = `# HELP saf_test A number.\n# TYPE saf_test gauge\nsaf_test ${scrapes}\n`;
      return Promise.resolve({ type: "text/plain; version=0.0.4", text });
    },
    ready: () => undefined,
    log: (level, message) => log.push(`${level}: ${message}`),
  });
  t?.after(() => service.close());
  return {
    url: service.url,
    tell: (event) => service.tell(event),
    log,
    scrapes: () => scrapes,
    close: () => service.close(),
  };
}

/** Resolves when `look` does no longer throw; looked at often, for a minute at most. */
export async function eventually<Value>(
  look: () => Value | Promise<Value>,
  limitMs = 60_000,
): Promise<Value> {
  const end = performance.now() + limitMs;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

export const RUN = "run-plain";

export function opened(runId = RUN, name = "plain"): LiveEvent {
  const sizes = { batchSize: 32, done: 0, total: 1000, epochs: 2 };
  return { opened: { runId, name, network: name, dataSet: "mnist", seed: 0, ...sizes, samples: [] } };
}

export function trained(done: number, loss: number, runId = RUN, name = "plain"): LiveEvent {
  return {
    timeMs: 1_800_000_000_000 + 100 * done,
    progress: {
      runId,
      model: name,
      phase: "training",
      done,
      total: 1000,
      epoch: done / 500,
      epochs: 2,
      loss,
      accuracy: 1 / (1 + loss),
      samplesPerSecond: 320,
      etaSeconds: (1000 - done) / 10,
    },
  };
}
