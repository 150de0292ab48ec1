/**
 * Events of Chrome's trace format, as Perfetto and chrome://tracing read them: complete events ("X") of microseconds on one
 * clock, on lanes that are named threads of processes.
 * Source: Trace Event Format, https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
 */
import type { SpanAttributes } from "./tracing.js";

export interface CompleteEvent {
  ph: "X";
  name: string;
  pid: number;
  tid: number;
  /** Microseconds by the machine's clock, which all processes share. */
  ts: number;
  dur: number;
  args?: SpanAttributes;
}

/** Names a process or a lane. */
export interface NameEvent {
  ph: "M";
  name: "process_name" | "thread_name";
  pid: number;
  tid: number;
  args: { name: string };
}

export type TraceEvent = CompleteEvent | NameEvent;

export interface TraceDocument {
  displayTimeUnit: "ms";
  traceEvents: TraceEvent[];
}

/** Fits a duration of the clock, whose fractions say nothing. */
export function micros(ms: number): number {
  return Math.round(1000 * ms * 10) / 10;
}
