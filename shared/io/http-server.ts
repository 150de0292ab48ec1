/** /metrics, /healthz, /readyz of one process, on loopback unless told otherwise. */
import { readFile } from "node:fs/promises";
import { type RequestListener, type Server, createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { ClusterError } from "../errors.js";

export interface ProbeServer {
  url: string;
  close(): Promise<void>;
}

/** Where HTTP is served. With a certificate and its key it is HTTPS. */
export interface HttpOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  certFile?: string | undefined;
  keyFile?: string | undefined;
}

export interface ProbeOptions extends HttpOptions {
  /** The text of /metrics and its type, for a scraper that accepts this. */
  metrics: (accept: string) => Promise<{ type: string; text: string }>;
  /** Is this process able to do its work now? The reason, when not. */
  ready: () => string | undefined;
}

const HEADER_LIMIT_BYTES = 8 * 1024;

/** Throws ClusterError: "dependency" when the port is taken, "config" for a certificate that is of no use. */
export async function serveProbes(options: ProbeOptions): Promise<ProbeServer> {
  const { host, port, metrics, ready } = options;
  const server = await makeServer(options, (request, response) => {
    const path = (request.url ?? "/").split("?")[0];
    const answer = (status: number, body: string, type = "text/plain; charset=utf-8"): void => {
      response.writeHead(status, { "content-type": type, "x-content-type-options": "nosniff" });
      response.end(request.method === "HEAD" ? undefined : body);
    };
    if (request.method !== "GET" && request.method !== "HEAD") answer(405, "only GET and HEAD are served\n");
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
  });
  await listen(server, host, port);
  const address = server.address() as AddressInfo;
  const shown = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return {
    url: `${options.certFile === undefined ? "http" : "https"}://${shown}:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function makeServer({ certFile, keyFile }: HttpOptions, listener: RequestListener): Promise<Server> {
  const limits = { maxHeaderSize: HEADER_LIMIT_BYTES, requestTimeout: 10_000 };
  if (certFile === undefined && keyFile === undefined) return createServer(limits, listener);
  if (certFile === undefined || keyFile === undefined)
    throw new ClusterError("config", "HTTPS needs both a certificate and its key; one of them is missing", {
      hint: "set SAF_HTTP_CERT_FILE and SAF_HTTP_KEY_FILE",
    });
  try {
    const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)]);
    return createSecureServer({ ...limits, cert, key, minVersion: "TLSv1.2" }, listener);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ClusterError("config", `Cannot serve HTTPS with ${certFile} and ${keyFile}: ${reason}`, {
      cause,
    });
  }
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
