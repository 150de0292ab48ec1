/**
 * Traces, as far as the programs know them: a few names of work with a beginning and an end. Most work is not traced;
 * then there is no span, and nothing is done. shared/io/otlp-tracing.ts sends them away.
 */

export type SpanAttributes = Record<string, string | number | boolean>;

export interface SpanStart {
  /** W3C `traceparent` of what caused it; without one a trace begins, if chance wants it. */
  parent?: string | undefined;
  /** By `performance.now()`, or milliseconds since 1970; now, when left out. */
  startMs?: number;
  attributes?: SpanAttributes;
  /** It hands work to another process, or does work that another one handed over. */
  kind?: "internal" | "producer" | "consumer";
}

export interface Span {
  /** To hand to whoever does a part of the work. */
  readonly traceparent: string;
  /** 32 hex digits. */
  readonly traceId: string;
  /** The second call does nothing. */
  end(at?: { ms?: number; attributes?: SpanAttributes; failed?: string }): void;
}

/** Takes a short part of the work when it is over; times by `performance.now()`. */
export type TakePart = (name: string, fromMs: number, toMs: number, attributes?: SpanAttributes) => void;

export interface Tracer {
  /** Undefined when this is not traced. */
  start(name: string, how?: SpanStart): Span | undefined;
  /** For work that is too short for a span. Undefined where nobody looks so closely: then nothing is measured. */
  readonly part?: TakePart | undefined;
}

export const NO_TRACES: Tracer = { start: () => undefined };
