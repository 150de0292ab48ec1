/**
 * A Kubernetes API server in memory, as much of one as kubectl's apply, diff, get, delete, scale, wait, rollout and logs
 * ask for: discovery, objects, watches, the scale subresource, logs. It checks nothing of an object's form.
 */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type KubeObject, mergePatch, selects, strategicPatch } from "./objects.js";
import { KubeError, RESOURCE_TYPES, type ResourceType, type Store } from "./store.js";

/** Text so far, and what comes; `listen` returns how to stop. */
export interface LogSource {
  text: string;
  isOver: boolean;
  listen(onText: (text: string) => void, onEnd: () => void): () => void;
}

export interface ApiServer {
  url: string;
  close(): Promise<void>;
}

interface Asked {
  type: ResourceType;
  namespace: string | undefined;
  name: string | undefined;
  subresource: string | undefined;
  query: URLSearchParams;
}

const PATH =
  /^\/(?:api|apis\/(?<group>[^/]+))\/(?<version>[^/]+)(?:\/namespaces\/(?<namespace>[^/]+))?\/(?<plural>[^/]+)(?:\/(?<name>[^/]+))?(?:\/(?<sub>[^/]+))?$/;

export async function startApiServer(
  store: Store,
  logOf: (pod: KubeObject) => LogSource | undefined,
): Promise<ApiServer> {
  const server = createServer((request, response) => {
    void answer(store, logOf, request, response).catch((error: unknown) => {
      const status = error instanceof KubeError ? error.status : 500;
      const reason = error instanceof KubeError ? error.reason : "InternalError";
      send(response, status, {
        ...{ kind: "Status", apiVersion: "v1", status: "Failure", code: status, reason },
        message: error instanceof Error ? error.message : String(error),
      });
    });
  });
  await listening(server);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listening(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
}

async function answer(
  store: Store,
  logOf: (pod: KubeObject) => LogSource | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://kube");
  const discovered = discovery(url.pathname);
  if (discovered !== undefined) return send(response, 200, discovered);
  const asked = parse(url);
  if (asked === undefined) throw new KubeError(404, "NotFound", `the server has no ${url.pathname}`);
  const body = await bodyOf(request);
  if (asked.subresource === "log") return followLog(store, logOf, asked, response);
  if (asked.subresource === "scale") return send(response, 200, scale(store, asked, request, body));
  const isDry = asked.query.get("dryRun") === "All";
  switch (request.method) {
    case "GET":
      if (asked.name !== undefined) return send(response, 200, found(store, asked));
      if (asked.query.get("watch") === "true") return watch(store, asked, response);
      return send(response, 200, {
        ...{ kind: `${asked.type.kind}List`, apiVersion: apiVersionOf(asked.type) },
        metadata: { resourceVersion: store.version },
        items: listed(store, asked),
      });
    case "POST": {
      const object = withKind(asked, JSON.parse(body) as KubeObject);
      return send(response, 201, isDry ? object : store.create(object));
    }
    case "PUT": {
      const object = withKind(asked, JSON.parse(body) as KubeObject);
      return send(response, 200, isDry ? object : store.replace(object));
    }
    case "PATCH": {
      const known = found(store, asked);
      const patched = applied(known, body, request.headers["content-type"] ?? "");
      return send(response, 200, isDry ? patched : store.replace(patched));
    }
    case "DELETE": {
      const names =
        asked.name === undefined ? listed(store, asked).map(({ metadata }) => metadata.name) : [asked.name];
      const gone = names.map((name) => store.delete(asked.type.kind, name, asked.namespace));
      return send(response, 200, gone[0] ?? { kind: "Status", apiVersion: "v1", status: "Success" });
    }
    default:
      throw new KubeError(405, "MethodNotAllowed", `${request.method} is not served`);
  }
}

// ---- Discovery ---------------------------------------------------------------------------------------------------

function apiVersionOf({ group, version }: ResourceType): string {
  return group === "" ? version : `${group}/${version}`;
}

function discovery(path: string): unknown {
  if (path === "/version") return { major: "1", minor: "33", gitVersion: "v1.33.0" };
  if (path === "/api") return { kind: "APIVersions", versions: ["v1"] };
  if (path === "/apis") {
    const versions = [...new Set(RESOURCE_TYPES.filter(({ group }) => group !== "").map(apiVersionOf))];
    return {
      ...{ kind: "APIGroupList", apiVersion: "v1" },
      groups: versions.map((groupVersion) => {
        const [name, version] = groupVersion.split("/");
        return { name, versions: [{ groupVersion, version }], preferredVersion: { groupVersion, version } };
      }),
    };
  }
  const groupVersion = /^\/(?:api|apis)\/([^/]+(?:\/[^/]+)?)$/.exec(path)?.[1];
  const types = RESOURCE_TYPES.filter((type) => apiVersionOf(type) === groupVersion);
  if (types.length === 0) return undefined;
  const verbs = ["create", "delete", "get", "list", "patch", "update", "watch", "deletecollection"];
  return {
    ...{ kind: "APIResourceList", apiVersion: "v1", groupVersion },
    resources: types.flatMap(({ kind, plural, namespaced }) => [
      { name: plural, singularName: kind.toLowerCase(), namespaced, kind, verbs },
      ...(plural === "statefulsets"
        ? [
            {
              name: `${plural}/scale`,
              namespaced,
              group: "autoscaling",
              version: "v1",
              kind: "Scale",
              verbs: ["get", "patch", "update"],
            },
          ]
        : []),
    ]),
  };
}

function parse(url: URL): Asked | undefined {
  const groups = PATH.exec(url.pathname)?.groups;
  if (groups === undefined) return undefined;
  const type = RESOURCE_TYPES.find(
    ({ group, version, plural }) =>
      group === (groups["group"] ?? "") && version === groups["version"] && plural === groups["plural"],
  );
  if (type === undefined) return undefined;
  const { namespace, name, sub } = groups;
  return { type, namespace, name, subresource: sub, query: url.searchParams };
}

// ---- Objects -----------------------------------------------------------------------------------------------------

function found(store: Store, { type, name = "", namespace }: Asked): KubeObject {
  const object = store.get(type.kind, name, namespace);
  if (object === undefined) throw new KubeError(404, "NotFound", `${type.plural} "${name}" not found`);
  return object;
}

function isAsked({ type, namespace, query }: Asked, object: KubeObject): boolean {
  const { kind, metadata } = object;
  if (kind !== type.kind || (namespace !== undefined && metadata.namespace !== namespace)) return false;
  const name = /metadata\.name=([^,]+)/.exec(query.get("fieldSelector") ?? "")?.[1];
  return (name === undefined || metadata.name === name) && selects(query.get("labelSelector") ?? "", object);
}

function listed(store: Store, asked: Asked): KubeObject[] {
  return store.list(asked.type.kind, asked.namespace).filter((object) => isAsked(asked, object));
}

function withKind({ type, namespace }: Asked, object: KubeObject): KubeObject {
  object.apiVersion = apiVersionOf(type);
  object.kind = type.kind;
  if (namespace !== undefined) object.metadata.namespace = namespace;
  return object;
}

function applied(known: KubeObject, body: string, contentType: string): KubeObject {
  const patch: unknown = JSON.parse(body);
  if (contentType.startsWith("application/merge-patch+json")) return mergePatch(known, patch) as KubeObject;
  if (contentType.startsWith("application/strategic-merge-patch+json"))
    return strategicPatch(known, patch) as KubeObject;
  throw new KubeError(415, "UnsupportedMediaType", `no patches of ${contentType}`);
}

interface Scale {
  kind: "Scale";
  apiVersion: "autoscaling/v1";
  metadata: {
    name: string;
    namespace: string | undefined;
    resourceVersion: string | undefined;
    uid: string | undefined;
  };
  spec: { replicas: number };
  status: { replicas: number };
}

function scale(store: Store, asked: Asked, request: IncomingMessage, body: string): Scale {
  let object = found(store, asked);
  if (request.method !== "GET") {
    const next = mergePatch(scaleOf(object), JSON.parse(body)) as Scale;
    object.spec = { ...(object.spec as object), replicas: next.spec.replicas };
    object = store.replace(object);
  }
  return scaleOf(object);
}

function scaleOf({ metadata, spec, status }: KubeObject): Scale {
  return {
    ...{ kind: "Scale", apiVersion: "autoscaling/v1" },
    metadata: {
      name: metadata.name,
      namespace: metadata.namespace,
      resourceVersion: metadata.resourceVersion,
      uid: metadata.uid,
    },
    spec: { replicas: (spec as { replicas?: number }).replicas ?? 1 },
    status: { replicas: (status as { replicas?: number } | undefined)?.replicas ?? 0 },
  };
}

// ---- Streams -----------------------------------------------------------------------------------------------------

function watch(store: Store, asked: Asked, response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/json" });
  response.flushHeaders();
  const write = (change: unknown): void => void response.write(`${JSON.stringify(change)}\n`);
  const since = Number(asked.query.get("resourceVersion") ?? 0);
  // What happened between the list and now; without a list before, what there is.
  if (since === 0) for (const object of listed(store, asked)) write({ type: "ADDED", object });
  else for (const change of store.changesSince(since)) if (isAsked(asked, change.object)) write(change);
  const stop = store.onChange((change) => {
    if (isAsked(asked, change.object)) write(change);
  });
  response.on("close", stop);
}

function followLog(
  store: Store,
  logOf: (pod: KubeObject) => LogSource | undefined,
  asked: Asked,
  response: ServerResponse,
): void {
  const source = logOf(found(store, asked));
  if (source === undefined) throw new KubeError(400, "BadRequest", "the container has not started");
  response.writeHead(200, { "content-type": "text/plain" });
  response.write(source.text);
  if (asked.query.get("follow") !== "true" || source.isOver) {
    response.end();
    return;
  }
  const stop = source.listen(
    (text) => response.write(text),
    () => response.end(),
  );
  response.on("close", stop);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
