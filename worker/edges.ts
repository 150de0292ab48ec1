/** Everything outside that a worker touches; main.ts hands it in. */
import type { Bus } from "../shared/bus.js";
import type { Clock } from "../shared/clock.js";
import type { WorkerPhase } from "../shared/metrics.js";
import type { Subjects } from "../shared/subjects.js";
import type { Tracer } from "../shared/tracing.js";
import type { EnginePort } from "./engine/port.js";
import type { PartStore } from "./parts.js";

export interface WorkerEdges {
  control: Bus;
  bulk: Bus;
  engine: EnginePort;
  subjects: Subjects;
  parts: PartStore;
  clock: Clock;
  process: ProcessFacts;
  /** The worker ends when it hears of no coordinator for this long; 0: never. */
  coordinatorTimeoutMs: number;
  /** It shares no memory with the coordinator's machine. */
  isFar?: boolean;
  /** The workers of its host with which it shares memory, where that is not the coordinator's too. */
  host?: Host | undefined;
  /** Sent away at the end of a run, it waits for the next one. */
  outlivesRuns?: boolean;
  log: Log;
  metrics: WorkerMetrics;
  tracer: Tracer;
}

export interface Host {
  /** The same for all of them. */
  id: string;
  /** Frames that are published here they read where they lie. */
  bus: Bus;
}

/** What a worker tells of its process. */
export interface ProcessFacts {
  pid: number;
  /** When the process started, ms since 1970: tells a restart from a reconnect. */
  incarnation: number;
  rssBytes(): number;
  /** Where /metrics is served; empty when nowhere. */
  metricsUrl: string;
}

export type Log = (
  level: "info" | "warn" | "error",
  message: string,
  fields?: Record<string, unknown>,
) => void;

/** What the worker counts; main.ts hands in the Prometheus side. */
export interface WorkerMetrics {
  phase(phase: WorkerPhase, seconds: number): void;
  tensors(count: number, bytes: number): void;
  reconnected(): void;
}
