/**
 * Traces to an OpenTelemetry collector over HTTP, where OTEL_EXPORTER_OTLP_ENDPOINT names one; else the SDK is not even
 * loaded. The standard variables hold: OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER and its _ARG,
 * OTEL_BSP_*. Without them one step or task in a hundred is traced. `saf bench --trace` has a file written instead.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Span as OtelSpan, SpanContext } from "@opentelemetry/api";
import { ClusterError } from "../errors.js";
import { NO_TRACES, type Span, type SpanStart, type Tracer } from "../tracing.js";
import { VERSION } from "../version.js";
import { MAIN_THREAD, traceFile } from "./trace-file.js";

export interface Tracing {
  tracer: Tracer;
  /** Sends what is left; gives up after a while. */
  stop(): Promise<void>;
}

export interface TracingOptions {
  /** "coordinator", or the worker's id. */
  identity: string;
  role: "coordinator" | "worker";
  env: Readonly<Record<string, string | undefined>>;
  log: (level: "info" | "warn" | "error", message: string) => void;
}

const SAMPLED_RATIO = 0.01;
const STOP_TIMEOUT_MS = 2000;

/** Throws ClusterError("config") for a sampling ratio that is none. */
export async function startTracing(options: TracingOptions): Promise<Tracing> {
  const { env } = options;
  const file = traceFile(env, { process: options.identity, thread: MAIN_THREAD });
  if (file !== undefined) return { tracer: file.tracer, stop: () => Promise.resolve(file.flush()) };
  const endpoint = env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] ?? env["OTEL_EXPORTER_OTLP_ENDPOINT"] ?? "";
  if (endpoint === "" || env["OTEL_SDK_DISABLED"] === "true" || env["OTEL_TRACES_EXPORTER"] === "none")
    return { tracer: NO_TRACES, stop: () => Promise.resolve() };
  return load(options, sampledRatio(env));
}

function sampledRatio(env: TracingOptions["env"]): number {
  const text = env["OTEL_TRACES_SAMPLER_ARG"] ?? "";
  if (text === "") return SAMPLED_RATIO;
  const ratio = Number(text);
  if (ratio >= 0 && ratio <= 1) return ratio;
  throw new ClusterError("config", `OTEL_TRACES_SAMPLER_ARG is "${text}": expected a share between 0 and 1`);
}

async function load({ identity, role, env, log }: TracingOptions, ratio: number): Promise<Tracing> {
  const [api, sdk, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import("@opentelemetry/api"),
    import("@opentelemetry/sdk-trace-base"),
    import("@opentelemetry/exporter-trace-otlp-http"),
    import("@opentelemetry/resources"),
  ]);
  let said = false;
  const complain = (message: string): void => {
    if (!said) log("warn", `Traces cannot be sent: ${message}`);
    said = true;
  };
  const quiet = (): void => undefined;
  api.diag.setLogger(
    { error: complain, warn: complain, info: quiet, debug: quiet, verbose: quiet },
    api.DiagLogLevel.WARN,
  );
  const root = new sdk.TraceIdRatioBasedSampler(ratio);
  const provider = new sdk.BasicTracerProvider({
    resource: resourceFromAttributes({
      "service.name": env["OTEL_SERVICE_NAME"] ?? `saf-${role}`,
      "service.version": VERSION,
      "service.instance.id": identity,
    }),
    // Where another sampler is named, the SDK reads its variables itself.
    ...(env["OTEL_TRACES_SAMPLER"] === undefined ? { sampler: new sdk.ParentBasedSampler({ root }) } : {}),
    spanProcessors: [new sdk.BatchSpanProcessor(new OTLPTraceExporter())],
  });
  const tracer = provider.getTracer("saf", VERSION);
  const kinds = {
    internal: api.SpanKind.INTERNAL,
    producer: api.SpanKind.PRODUCER,
    consumer: api.SpanKind.CONSUMER,
  };
  const start = (name: string, how: SpanStart = {}): Span | undefined => {
    const parent = parseTraceparent(how.parent);
    const context =
      parent === undefined ? api.ROOT_CONTEXT : api.trace.setSpanContext(api.ROOT_CONTEXT, parent);
    const span = tracer.startSpan(
      name,
      {
        kind: kinds[how.kind ?? "internal"],
        ...(how.attributes === undefined ? {} : { attributes: how.attributes }),
        ...(how.startMs === undefined ? {} : { startTime: wallMs(how.startMs) }),
      },
      context,
    );
    return span.isRecording() ? spanOf(span, api.SpanStatusCode.ERROR) : undefined;
  };
  return {
    tracer: { start },
    stop: async () => {
      await Promise.race([
        provider.shutdown().catch((error: unknown) => complain(String(error))),
        delay(STOP_TIMEOUT_MS, undefined, { ref: false }),
      ]);
      api.diag.disable();
    },
  };
}

function spanOf(span: OtelSpan, errorCode: number): Span {
  const { traceId, spanId } = span.spanContext();
  return {
    traceId,
    traceparent: `00-${traceId}-${spanId}-01`,
    end: ({ ms, attributes, failed } = {}) => {
      if (!span.isRecording()) return;
      if (attributes !== undefined) span.setAttributes(attributes);
      if (failed !== undefined) span.setStatus({ code: errorCode, message: failed });
      span.end(wallMs(ms ?? performance.now()));
    },
  };
}

/** One conversion for all, or parts would end after the whole: the SDK rounds its own to milliseconds, span by span. */
function wallMs(ms: number): number {
  return ms < performance.timeOrigin ? performance.timeOrigin + ms : ms;
}

/** Undefined for what is no trace context: https://www.w3.org/TR/trace-context/ */
export function parseTraceparent(text: string | undefined): SpanContext | undefined {
  const match = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(text ?? "");
  const [, traceId = "", spanId = "", flags = ""] = match ?? [];
  if (match === null || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true };
}
