/**
 * A tracer that writes what it is told to a file of its thread, one event of Chrome's trace format a line. Only where
 * SAF_TRACE_DIR names a folder, as `saf bench --trace` does: there every step is traced, and every part of it.
 */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import type { CompleteEvent, NameEvent, TraceEvent } from "../trace-events.js";
import { micros } from "../trace-events.js";
import type { Span, SpanAttributes, SpanStart, Tracer } from "../tracing.js";

export const TRACE_VARIABLE = "SAF_TRACE_DIR";
export const MAIN_THREAD = "main thread";
export const ENGINE_THREAD = "engine thread";
/** The parts of a lease follow each other, so they share a lane. */
export const LEASE_IN_HAND = "lease in hand";

/** Lines kept back, so that the disk is not in the way of what is measured; more are written at once. */
const MOST_LINES = 20_000;

export interface TraceFile {
  readonly tracer: Tracer;
  /** Writes what is kept back. */
  flush(): void;
}

/** Undefined where nobody wants a trace. */
export function traceFile(
  env: Readonly<Record<string, string | undefined>>,
  whose: { process: string; thread: string },
): TraceFile | undefined {
  const folder = env[TRACE_VARIABLE] ?? "";
  return folder === "" ? undefined : new EventFile(folder, whose.process, whose.thread);
}

class EventFile implements TraceFile {
  readonly #file: string;
  readonly #lines: string[] = [];
  /** Of spans of one kind, which follow each other; the thread itself is the first. */
  readonly #lanes = new Map<string, number>();
  readonly #thread: number;
  readonly #offsetMs = monotonicOffsetMs();
  #spans = 0;
  readonly tracer: Tracer;

  constructor(folder: string, identity: string, thread: string) {
    this.#file = join(folder, `${identity}.${thread.replaceAll(" ", "-")}.jsonl`);
    this.#write({ ph: "M", name: "process_name", pid: process.pid, tid: 0, args: { name: identity } });
    this.#thread = thread === MAIN_THREAD ? 1 : 2;
    this.#name(this.#thread, thread);
    this.tracer = {
      start: (name, how) => this.#start(name, how ?? {}),
      part: (name, fromMs, toMs, attributes) => this.#event(this.#thread, name, fromMs, toMs, attributes),
    };
  }

  flush(): void {
    if (this.#lines.length > 0) appendFileSync(this.#file, this.#lines.splice(0).join(""));
  }

  #start(name: string, { startMs, attributes, kind }: SpanStart): Span {
    const fromMs = startMs ?? performance.now();
    const worker = attributes?.["saf.worker"];
    const own = kind === "consumer" ? LEASE_IN_HAND : `${name}s`;
    const lane = this.#lane(worker === undefined ? own : `${name}s of ${String(worker)}`);
    const id = (++this.#spans).toString(16).padStart(16, "0");
    const traceId = id.padStart(32, "0");
    let isOpen = true;
    return {
      traceId,
      traceparent: `00-${traceId}-${id}-01`,
      end: ({ ms, attributes: more, failed } = {}) => {
        if (!isOpen) return;
        isOpen = false;
        const all = { ...attributes, ...more, ...(failed === undefined ? {} : { failed }) };
        this.#event(lane, name, fromMs, ms ?? performance.now(), all);
      },
    };
  }

  #lane(name: string): number {
    const known = this.#lanes.get(name);
    if (known !== undefined) return known;
    const lane = 10 + this.#lanes.size;
    this.#lanes.set(name, lane);
    this.#name(lane, name);
    return lane;
  }

  #name(tid: number, name: string): void {
    const event: NameEvent = { ph: "M", name: "thread_name", pid: process.pid, tid, args: { name } };
    this.#write(event);
  }

  #event(tid: number, name: string, fromMs: number, toMs: number, args?: SpanAttributes): void {
    const event: CompleteEvent = {
      ...{ ph: "X", name, pid: process.pid, tid },
      ...{ ts: micros(fromMs + this.#offsetMs), dur: Math.max(0, micros(toMs - fromMs)) },
      ...(args === undefined ? {} : { args }),
    };
    this.#write(event);
  }

  #write(event: TraceEvent): void {
    this.#lines.push(`${JSON.stringify(event)}\n`);
    if (this.#lines.length >= MOST_LINES) this.flush();
  }
}

const CLOCK_READINGS = 100;

/**
 * From `performance.now()` of this thread to the monotonic clock, which is one for all processes. On a busy machine much time
 * may pass between two readings, so the closest of many counts.
 */
function monotonicOffsetMs(): number {
  let [closestMs, offsetMs] = [Infinity, 0];
  for (let i = 0; i < CLOCK_READINGS; i++) {
    const before = performance.now();
    const monotonicMs = Number(process.hrtime.bigint()) / 1e6;
    const apartMs = performance.now() - before;
    if (apartMs < closestMs) [closestMs, offsetMs] = [apartMs, monotonicMs - before - apartMs / 2];
  }
  return offsetMs;
}
