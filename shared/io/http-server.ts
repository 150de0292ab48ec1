/** /metrics, /healthz, /readyz of one process, on loopback unless told otherwise. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { ClusterError } from "../errors.js";

export interface ProbeServer {
  url: string;
  close(): Promise<void>;
}

export interface ProbeOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** The text of /metrics and its type, for a scraper that accepts this. */
  metrics: (accept: string) => Promise<{ type: string; text: string }>;
  /** Is this process able to do its work now? The reason, when not. */
  ready: () => string | undefined;
}

const HEADER_LIMIT_BYTES = 8 * 1024;

/** Throws ClusterError("dependency") when the port is taken. */
export async function serveProbes({ host, port, metrics, ready }: ProbeOptions): Promise<ProbeServer> {
  const server = createServer(
    { maxHeaderSize: HEADER_LIMIT_BYTES, requestTimeout: 10_000 },
    (request, response) => {
      const path = (request.url ?? "/").split("?")[0];
      const answer = (status: number, body: string, type = "text/plain; charset=utf-8"): void => {
        response.writeHead(status, { "content-type": type, "x-content-type-options": "nosniff" });
        response.end(request.method === "HEAD" ? undefined : body);
      };
      if (request.method !== "GET" && request.method !== "HEAD")
        answer(405, "only GET and HEAD are served\n");
      else if (path === "/healthz") answer(200, "ok\n");
      else if (path === "/readyz") {
        const reason = ready();
        answer(reason === undefined ? 200 : 503, `${reason ?? "ok"}\n`);
      } else if (path === "/metrics") {
        metrics(request.headers.accept ?? "").then(
          ({ text, type }) => answer(200, text, type),
          (error: unknown) => answer(500, `${String(error)}\n`),
        );
      } else answer(404, "served here: /metrics, /healthz, /readyz\n");
    },
  );
  await listen(server, host, port);
  const address = server.address() as AddressInfo;
  const shown = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return {
    url: `http://${shown}:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      reject(
        new ClusterError("dependency", `Cannot serve metrics on ${host}:${port}: ${cause.message}`, {
          cause,
        }),
      );
    });
    server.listen(port, host, () => resolve());
  });
}
