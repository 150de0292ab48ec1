/**
 * An HTTP or HTTPS server that hostile clients do not bring to its knees: everything a client can make large, slow or
 * many has a limit. Loopback unless told otherwise. What is served is the handler's affair.
 */
import {
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
  STATUS_CODES,
  createServer,
} from "node:http";
import { type Server as SecureServer, createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { ClusterError, codeIn, wordsOf } from "../errors.js";
import { Connections } from "./http-connections.js";
import { type ReloadedFiles, watchFiles } from "./reloaded-files.js";

/** Where HTTP is served. With a certificate and its key it is HTTPS. */
export interface HttpOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** Take a free port when this one is taken. */
  anyPort?: boolean | undefined;
  /** PEM files; they may change at any time. */
  certFile?: string | undefined;
  keyFile?: string | undefined;
  /** Holds the token that guards page, API and push. */
  tokenFile?: string | undefined;
  /** Origins, as in https://saf.example, from which the page may connect besides its own. */
  origins?: readonly string[] | undefined;
}

export interface HttpHandler {
  request: (request: IncomingMessage, response: ServerResponse) => void;
  /** Takes the socket of an upgrade, or answers; absent: there are none. */
  upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

export type HttpLog = (level: "info" | "warn" | "error", message: string) => void;

export interface RunningServer {
  /** As a browser on this machine would open it, without a slash at the end. */
  url: string;
  close(): Promise<void>;
}

const LIMITS = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
  maxRequestsPerSocket: 1_000,
} satisfies ServerOptions & { maxRequestsPerSocket: number };
const HANDSHAKE_MS = 5_000;
const MOST_HEADERS = 64;
/** A client that reads nothing for this long loses its answer. */
const STUCK_MS = 15_000;
/** Time for an error's words to leave before the socket goes. */
const LAST_WORDS_MS = 500;
/** How often files are looked at for new certificates and tokens. */
const RELOAD_MS = 5_000;

/** Throws ClusterError: "dependency" when the port is taken, "config" for a certificate that is of no use. */
export async function openServer(
  options: HttpOptions,
  handler: HttpHandler,
  log: HttpLog,
): Promise<RunningServer> {
  const { server, files } = await makeServer(options, handler.request, log);
  const connections = new Connections();
  server.maxHeadersCount = MOST_HEADERS;
  server.maxRequestsPerSocket = LIMITS.maxRequestsPerSocket;
  server.timeout = STUCK_MS;
  server.on("connection", (socket) => connections.add(socket));
  server.on("request", (request, response) => connections.busy(request.socket, response));
  server.on("checkContinue", (_, response: ServerResponse) => refuse(response, 417));
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => hangUp(socket, statusOf(error.code)));
  server.on("upgrade", (request, socket, head) => {
    connections.take(request.socket);
    socket.on("error", () => socket.destroy());
    if (handler.upgrade === undefined) hangUp(socket, 400);
    else handler.upgrade(request, socket, head);
  });
  server.on("connect", (_, socket: Duplex) => hangUp(socket, 405));
  await listen(server, options);
  const { address, family, port } = server.address() as AddressInfo;
  const shown = isEverywhere(address) ? "localhost" : family === "IPv6" ? `[${address}]` : address;
  return {
    url: `${files === undefined ? "http" : "https"}://${shown}:${port}`,
    close: () =>
      new Promise((resolve) => {
        files?.stop();
        server.close(() => resolve());
        connections.closeAll();
      }),
  };
}

/** Answers with a status alone and ends the connection: for whoever cannot be talked with. */
export function hangUp(socket: Duplex, status: number): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const words = `${STATUS_CODES[status] ?? ""}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${words.length}\r\n\r\n${words}`,
  );
  setTimeout(() => socket.destroy(), LAST_WORDS_MS).unref();
}

/** The same in the middle of a conversation. */
export function refuse(response: ServerResponse, status: number, words = STATUS_CODES[status] ?? ""): void {
  response.writeHead(status, {
    "content-type": "text/plain; charset=utf-8",
    "x-content-type-options": "nosniff",
    connection: "close",
  });
  response.end(`${words}\n`);
}

/** Does the request bring a body? */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

function statusOf(code: string | undefined): number {
  if (code === "HPE_HEADER_OVERFLOW") return 431;
  return code === "ERR_HTTP_REQUEST_TIMEOUT" ? 408 : 400;
}

function isEverywhere(address: string): boolean {
  return address === "0.0.0.0" || address === "::";
}

async function makeServer(
  { certFile, keyFile }: HttpOptions,
  listener: RequestListener,
  log: HttpLog,
): Promise<{ server: Server; files?: ReloadedFiles }> {
  if (certFile === undefined && keyFile === undefined) return { server: createServer(LIMITS, listener) };
  if (certFile === undefined || keyFile === undefined)
    throw new ClusterError("config", "HTTPS needs both a certificate and its key; one of them is missing", {
      hint: "set SAF_HTTP_CERT_FILE and SAF_HTTP_KEY_FILE",
    });
  let server: SecureServer | undefined;
  const files = await watchFiles({
    files: [certFile, keyFile],
    setting: "SAF_HTTP_CERT_FILE and SAF_HTTP_KEY_FILE, or --http-cert-file and --http-key-file",
    everyMs: RELOAD_MS,
    apply: ([cert, key]) => {
      const secrets = { cert, key, minVersion: "TLSv1.2" as const };
      if (server === undefined)
        server = createSecureServer({ ...LIMITS, ...secrets, handshakeTimeout: HANDSHAKE_MS }, listener);
      else server.setSecureContext(secrets);
    },
    log,
  });
  return { server: server as unknown as Server, files };
}

async function listen(server: Server, options: HttpOptions): Promise<void> {
  const { host, port } = options;
  try {
    await listenOn(server, host, port);
  } catch (cause) {
    if (codeIn(cause) === "EADDRINUSE" && options.anyPort === true) return listenOn(server, host, 0);
    throw new ClusterError("dependency", `Cannot serve HTTP on ${host}:${port}: ${wordsOf(cause)}`, {
      cause,
      hint: "choose another address with --http-host, another port with --http-port",
    });
  }
}

function listenOn(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
