/** A coordinator's metrics while it leads a sweep: the product's own, told of trials that go on with every scrape. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { Telemetry } from "../../coordinator/telemetry/telemetry.js";
import { Metrics } from "../../shared/io/metrics-registry.js";
import { sweepAfter } from "./sweep-progress.js";

/** Host and port of it. */
export async function startSweepExporter(t: TestContext): Promise<string> {
  const metrics = new Metrics("coordinator", "test");
  const [clock, wallClock] = [() => performance.now(), () => Date.now()];
  const sweep = new Telemetry({ metrics, clock, wallClock, log: () => undefined }).sweep("robust-mnist");
  let results = 30;
  const server = createServer((_request, response) => {
    results++;
    sweep.progress(sweepAfter(results));
    sweep.measured(results % 60);
    if (results % 10 === 0) sweep.failed("diverged");
    void metrics.exposition().then(({ type, text }) => {
      response.writeHead(200, { "content-type": type });
      response.end(text);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
