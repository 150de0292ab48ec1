/** Wiring of the thread that serves the live page, its API and its push beside metrics and probes. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { Probes } from "../../shared/io/http-probes.js";
import { hangUp, hasBody } from "../../shared/io/http-server.js";
import { serveInThread } from "../../shared/io/http-thread.js";
import { API, endpointOf, namedIn } from "./core/api.js";
import { type ClusterDescription, LiveState } from "./core/live-state.js";
import { openApiDocument } from "./core/openapi.js";
import { Access } from "./io/access.js";
import { PAGE_HEADERS, PageFiles } from "./io/page-files.js";
import { readForm } from "./io/read-form.js";
import { Viewers } from "./io/viewers.js";
import type { LiveEvent } from "../../shared/events.js";

/** What the page says of its coordinator. */
export type LivePage = ClusterDescription;

const LOGIN_FORM = "/login.html";
/** What the login form needs to look like one; there is nothing to protect in them. */
const OPEN_FILES = ["/style.css", "/icon.svg"];

await serveInThread<LivePage>(async ({ data, ask, log }) => {
  const state = new LiveState(data.page);
  const probes = new Probes(ask);
  const viewers = new Viewers(state);
  const openApi = JSON.stringify(openApiDocument(data.page.version), null, 2);
  const [access, files] = await Promise.all([Access.of(data.http, log), PageFiles.read()]);

  function request(request: IncomingMessage, response: ServerResponse): void {
    const url = parsed(request);
    if (url === undefined) return fail(response, 400, "this is no address");
    const path = url.pathname;
    if (probes.answer(path, request, response)) return;
    if (!access.isHostKnown(request)) return fail(response, 421, "this host is not served here");
    if (path === "/login" && request.method === "POST") return void login(request, response);
    if (request.method !== "GET" && request.method !== "HEAD")
      return fail(response, 405, "only GET and HEAD");
    if (hasBody(request)) return fail(response, 413, "no body is expected");
    if (path === API || path.startsWith(`${API}/`)) return api(url, request, response);
    if (OPEN_FILES.includes(path)) return files.send(path, request, response);
    if (!access.isAllowed(request)) return files.send(LOGIN_FORM, request, response, 401);
    if (path === "/") return files.send("/page.html", request, response);
    if (path === "/login") return redirect(response);
    if (files.has(path)) return files.send(path, request, response);
    fail(response, 404, "served here: /, /api/v1, /ws, /metrics, /healthz, /readyz");
  }

  function api(url: URL, request: IncomingMessage, response: ServerResponse): void {
    if (!access.isAllowed(request)) {
      response.setHeader("www-authenticate", 'Bearer realm="saf"');
      return fail(response, 401, "the token is missing or wrong");
    }
    const path = url.pathname.slice(API.length);
    if (path === "/openapi.json") return send(request, response, openApi);
    const found = endpointOf(path);
    const name = decoded(found?.name ?? "");
    const answer = name === undefined ? undefined : found?.endpoint.answer(state, name, url.searchParams);
    if (answer === undefined) {
      const named = namedIn(found?.endpoint.path ?? "");
      const words = named === undefined ? `see ${API}/openapi.json` : `there is no such ${named}`;
      return fail(response, 404, words);
    }
    send(request, response, JSON.stringify(answer));
  }

  /** The form of login.html, from a page of ours. */
  async function login(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!access.isOriginKnown(request)) return fail(response, 403, "this origin is not known");
    const form = await readForm(request);
    if (form === undefined) return fail(response, 413, "this is no login");
    const cookie = access.login(form.get("token") ?? "");
    if (cookie === undefined) return files.send("/login-failed.html", request, response, 401);
    response.setHeader("set-cookie", cookie);
    redirect(response);
  }

  return {
    request,
    upgrade: (request, socket, head) => upgrade({ access, viewers }, request, socket, head),
    hear: (message) => {
      state.apply(message as LiveEvent);
      if (state.isDirty) viewers.changed();
    },
    close: () => viewers.close(),
  };
});

function upgrade(
  { access, viewers }: { access: Access; viewers: Viewers },
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  const url = parsed(request);
  if (url?.pathname !== "/ws") return hangUp(socket, 404);
  if (!access.isHostKnown(request)) return hangUp(socket, 421);
  if (!access.isOriginKnown(request)) return hangUp(socket, 403);
  if (!access.isAllowed(request)) return hangUp(socket, 401);
  viewers.admit(request, socket, head);
}

/** Dots and slashes that mean something are settled here; nothing below looks at them again. */
function parsed({ url }: IncomingMessage): URL | undefined {
  if (url === undefined || !url.startsWith("/") || !URL.canParse(url, "http://localhost")) return undefined;
  return new URL(url, "http://localhost");
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function redirect(response: ServerResponse): void {
  response.writeHead(303, { location: "/", "cache-control": "no-store", "content-length": 0 }).end();
}

function send(request: IncomingMessage, response: ServerResponse, body: string, status = 200): void {
  response.writeHead(status, {
    ...PAGE_HEADERS,
    "content-type": "application/json; charset=utf-8",
    "cache-control": "no-store",
    "content-length": Buffer.byteLength(body),
    ...(status === 405 || status === 413 ? { connection: "close" } : {}),
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

function fail(response: ServerResponse, status: number, message: string): void {
  send(response.req, response, JSON.stringify({ error: { status, message } }), status);
}
