/** The counts of shared/counted-bus.ts as metrics. */
import type { Bus } from "../bus.js";
import { type BusCounts, trafficAdders } from "../counted-bus.js";
import type { Metrics } from "./metrics-registry.js";

export function busCounts(metrics: Metrics): BusCounts {
  const bytes = trafficAdders((direction, kind) => metrics.tally("wireBytes", { direction, kind }));
  const messages = trafficAdders((direction, kind) => metrics.tally("wireMessages", { direction, kind }));
  return {
    message: (direction, kind, size) => {
      bytes[direction][kind](size);
      messages[direction][kind]();
    },
    requested: (operation, seconds) => metrics.observe("requestSeconds", seconds, { operation }),
    clock: () => performance.now(),
  };
}

/** How far the server is behind, over all connections of this process. */
export function watchPending(metrics: Metrics, buses: readonly Bus[]): void {
  metrics.onScrape(() => {
    metrics.set(
      "pendingBytes",
      buses.reduce((sum, { pendingBytes }) => sum + (pendingBytes ?? 0), 0),
    );
  });
}
