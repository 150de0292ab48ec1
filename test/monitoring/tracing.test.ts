import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { parseTraceparent, startTracing } from "../../shared/io/otlp-tracing.js";
import { NO_TRACES } from "../../shared/tracing.js";
import { startCluster } from "../support/cluster.js";

const MODULE = new URL("../../shared/io/otlp-tracing.js", import.meta.url).href;

interface ReceivedSpan {
  service: string;
  instance: string;
  traceId: string;
  spanId: string;
  parentSpanId: string;
  name: string;
  /** Nanoseconds since 1970. */
  start: bigint;
  end: bigint;
  attributes: Record<string, string | number | boolean>;
}

interface OtlpValue {
  stringValue?: string;
  intValue?: number | string;
  doubleValue?: number;
  boolValue?: boolean;
}
interface OtlpAttribute {
  key: string;
  value: OtlpValue;
}
interface OtlpTraces {
  resourceSpans: {
    resource: { attributes: OtlpAttribute[] };
    scopeSpans: {
      spans: {
        traceId: string;
        spanId: string;
        parentSpanId?: string;
        name: string;
        startTimeUnixNano: string;
        endTimeUnixNano: string;
        attributes: OtlpAttribute[];
      }[];
    }[];
  }[];
}

const valuesOf = (attributes: OtlpAttribute[]): Record<string, string | number | boolean> =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ?? value.doubleValue ?? value.boolValue ?? Number(value.intValue),
    ]),
  );

/** An OTLP/HTTP collector, as small as it can be: takes JSON, keeps the spans. */
async function collector(
  t: TestContext,
): Promise<{ url: string; spans: ReceivedSpan[]; until: (isThere: () => boolean) => Promise<void> }> {
  const spans: ReceivedSpan[] = [];
  let look: () => void = () => undefined;
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      assert.equal(request.url, "/v1/traces");
      assert.match(request.headers["content-type"] ?? "", /^application\/json/);
      spans.push(...spansIn(JSON.parse(Buffer.concat(parts).toString("utf8")) as OtlpTraces));
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
      look();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const until = (isThere: () => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const limit = setTimeout(
        () => reject(new Error(`only ${spans.map(({ name }) => name).join(", ")}`)),
        90_000,
      );
      look = () => {
        if (!isThere()) return;
        clearTimeout(limit);
        resolve();
      };
      look();
    });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, until };
}

function spansIn({ resourceSpans }: OtlpTraces): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const process = valuesOf(resource.attributes);
    return scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        service: String(process["service.name"]),
        instance: String(process["service.instance.id"]),
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? "",
        name: span.name,
        start: BigInt(span.startTimeUnixNano),
        end: BigInt(span.endTimeUnixNano),
        attributes: valuesOf(span.attributes),
      })),
    );
  });
}

test("without an endpoint no SDK is loaded", () => {
  const loaded = (env: Record<string, string>): number => {
    const script = `
      const { startTracing } = await import(${JSON.stringify(MODULE)});
      await startTracing({ identity: "x", role: "worker", env: ${JSON.stringify(env)}, log: () => undefined });
      const { default: module } = await import("node:module");
      process.stdout.write(String(Object.keys(module._cache).filter((file) => file.includes("opentelemetry")).length));`;
    const args = ["--input-type=module", "--eval", script];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    assert.equal(status, 0, stderr);
    return Number(stdout);
  };
  assert.equal(loaded({}), 0);
  assert.ok(loaded({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" }) > 10);
});

test("without an endpoint nothing is traced", async () => {
  for (const env of [
    {},
    { OTEL_EXPORTER_OTLP_ENDPOINT: "" },
    { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_SDK_DISABLED: "true" },
  ]) {
    const { tracer, stop } = await startTracing({ identity: "x", role: "worker", env, log: () => undefined });
    assert.equal(tracer, NO_TRACES);
    await stop();
  }
});

test("a share that is none is refused before anything runs", async () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_TRACES_SAMPLER_ARG: "7" };
  await assert.rejects(startTracing({ identity: "x", role: "worker", env, log: () => undefined }), {
    code: "config",
    message: /OTEL_TRACES_SAMPLER_ARG is "7"/,
  });
});

test("one step in a hundred is traced unless the environment says otherwise", async () => {
  const shareOf = async (env: Record<string, string>): Promise<number> => {
    const { tracer, stop } = await startTracing({
      identity: "x",
      role: "coordinator",
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", ...env },
      log: () => undefined,
    });
    let traced = 0;
    for (let i = 0; i < 20_000; i++) if (tracer.start("step") !== undefined) traced++;
    await stop();
    return traced / 20_000;
  };
  // Five standard deviations of a binomial with 20,000 draws.
  const usual = await shareOf({});
  assert.ok(Math.abs(usual - 0.01) < 5 * Math.sqrt((0.01 * 0.99) / 20_000), `${usual}`);
  assert.equal(await shareOf({ OTEL_TRACES_SAMPLER_ARG: "0" }), 0);
  assert.equal(await shareOf({ OTEL_TRACES_SAMPLER_ARG: "1" }), 1);
});

test("a trace context is read as W3C wrote it, and nothing else is one", () => {
  const [trace, span] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"];
  assert.deepEqual(parseTraceparent(`00-${trace}-${span}-01`), {
    traceId: trace,
    spanId: span,
    traceFlags: 1,
    isRemote: true,
  });
  for (const text of [
    undefined,
    "",
    `00-${trace}-${span}`,
    `00-${"0".repeat(32)}-${span}-01`,
    `00-${trace}-${"0".repeat(16)}-01`,
    `00-${trace.toUpperCase()}-${span}-01`,
    `00-${trace}-${span}-01-more`,
  ])
    assert.equal(parseTraceparent(text), undefined, text);
});

test(
  "steps and evaluation tasks of a cluster arrive as traces that reach from the coordinator into its workers",
  { timeout: 180_000 },
  async (t) => {
    const { url, spans, until } = await collector(t);
    const settings = {
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
      OTEL_TRACES_SAMPLER_ARG: "1",
      OTEL_BSP_SCHEDULE_DELAY: "200",
    };
    Object.assign(process.env, settings);
    t.after(() => {
      for (const name of Object.keys(settings)) Reflect.deleteProperty(process.env, name);
    });
    const cluster = await startCluster(t, { workers: 2, config: { train: { max_steps: 6 } } });
    assert.equal(await cluster.finished(), 0);

    const rootsOf = (name: string): ReceivedSpan[] =>
      spans.filter((span) => span.name === name && span.parentSpanId === "");
    const below = (parent: ReceivedSpan): ReceivedSpan[] =>
      spans.filter(
        ({ traceId, parentSpanId }) => traceId === parent.traceId && parentSpanId === parent.spanId,
      );
    const whole = (lease: ReceivedSpan): boolean =>
      ["compute", "push", "wait"].every((name) => below(lease).some((span) => span.name === name));
    await until(() => {
      const leases = rootsOf("step").flatMap((root) => below(root).filter(({ name }) => name === "lease"));
      const tasks = rootsOf("evaluation task");
      return rootsOf("step").length === 6 && leases.every(whole) && tasks.length > 0 && tasks.every(whole);
    });

    for (const root of rootsOf("step")) {
      assert.equal(root.service, "saf-coordinator");
      assert.equal(root.attributes["saf.run"], "mrelu-r-m");
      const names = below(root).map(({ name }) => name);
      for (const name of ["lease", "reduce", "update", "publish"]) assert.ok(names.includes(name), name);
      for (const child of below(root))
        assert.ok(child.start >= root.start && child.end <= root.end && child.end >= child.start, child.name);
      for (const lease of below(root).filter(({ name }) => name === "lease"))
        for (const span of below(lease)) {
          assert.equal(span.service, "saf-worker");
          assert.equal(span.instance, lease.attributes["saf.worker"]);
        }
    }
    assert.deepEqual(
      rootsOf("step")
        .map(({ attributes }) => attributes["saf.step"])
        .sort(),
      [0, 1, 2, 3, 4, 5],
    );
    assert.equal(new Set(rootsOf("step").map(({ traceId }) => traceId)).size, 6);
    const [task] = rootsOf("evaluation task");
    assert.equal(task?.attributes["saf.attack"], "clean");
  },
);
