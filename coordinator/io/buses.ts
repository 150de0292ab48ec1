/** The coordinator's two connections: control messages, and bulk bytes, which shared memory may carry on one machine. */
import type { Bus } from "../../shared/bus.js";
import { countedBus } from "../../shared/counted-bus.js";
import { busCounts, watchPending } from "../../shared/io/bus-metrics.js";
import type { Log } from "../../shared/io/logger.js";
import type { Metrics } from "../../shared/io/metrics-registry.js";
import { failedMessages, refusedMessages } from "../../shared/io/failed-messages.js";
import { type NatsAccess, connectNats } from "../../shared/io/nats-bus.js";
import { realClock } from "../../shared/io/real-clock.js";
import { sharedMemoryBus } from "../../shared/io/shared-memory-bus.js";
import { tracedBus } from "../../shared/traced-bus.js";
import type { TakePart } from "../../shared/tracing.js";

export interface BusOptions {
  nats: NatsAccess;
  /** Folder of shared memory for bulk bytes, when all processes run on one machine. */
  sharedMemory?: string | undefined;
  /** Give up when NATS cannot be reached for this long at the start. */
  connectTimeoutMs: number;
}

export interface Buses {
  control: Bus;
  bulk: Bus;
  /** The same connection without shared memory, where `bulk` has some: for whoever is on another machine. */
  bytes: Bus | undefined;
}

/** Throws ClusterError("dependency") when NATS cannot be reached; nothing stays open then. */
export async function connectBuses(
  { nats, sharedMemory, connectTimeoutMs }: BusOptions,
  { log, metrics, signal }: { log: Log; metrics: Metrics; signal: AbortSignal },
  part?: TakePart,
): Promise<Buses> {
  const opened: Bus[] = [];
  const onFailedMessage = failedMessages(log, metrics, realClock.now);
  const onPermissionError = refusedMessages(log, metrics, realClock.now);
  const connect = async (purpose: string): Promise<Bus> => {
    const bus = await connectNats({
      ...nats,
      identity: "coordinator",
      purpose,
      connectTimeoutMs,
      signal,
      onWaiting: (reason) => log("warn", reason),
      onPermissionError,
      onWarning: (message) => log("warn", message),
      onFailedMessage,
    });
    opened.push(bus);
    return bus;
  };
  const [controlNats, bulkNats] = await Promise.all([connect("control"), connect("bulk")]).catch(
    async (error: unknown) => {
      // What is open would keep the process from ending.
      await Promise.all(opened.map((bus) => bus.close()));
      throw error;
    },
  );
  const sharedBulk =
    sharedMemory === undefined
      ? bulkNats
      : sharedMemoryBus(bulkNats, { directory: sharedMemory, identity: "coordinator" });
  const counts = busCounts(metrics);
  watchPending(metrics, [controlNats, bulkNats]);
  const watched = (bus: Bus): Bus => tracedBus(countedBus(bus, counts), part, realClock.now);
  return {
    control: watched(controlNats),
    bulk: watched(sharedBulk),
    bytes: sharedBulk === bulkNats ? undefined : watched(bulkNats),
  };
}
