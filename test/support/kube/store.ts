/** What the in-memory API server knows, and who is told of each change. */
import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "./objects.js";

export interface ResourceType {
  group: string;
  version: string;
  kind: string;
  plural: string;
  namespaced: boolean;
}

const of = (groupVersion: string, kind: string, plural: string, namespaced = true): ResourceType => {
  const [group, version] = groupVersion.includes("/") ? groupVersion.split("/") : ["", groupVersion];
  return { group: group as string, version: version as string, kind, plural, namespaced };
};

/** What our manifests use. */
export const RESOURCE_TYPES: readonly ResourceType[] = [
  of("v1", "Namespace", "namespaces", false),
  of("v1", "Pod", "pods"),
  of("v1", "Service", "services"),
  of("v1", "ServiceAccount", "serviceaccounts"),
  of("v1", "ConfigMap", "configmaps"),
  of("v1", "Secret", "secrets"),
  of("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
  of("apps/v1", "StatefulSet", "statefulsets"),
  of("batch/v1", "Job", "jobs"),
  of("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
  of("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
  of("monitoring.coreos.com/v1", "PodMonitor", "podmonitors"),
  of("monitoring.coreos.com/v1", "PrometheusRule", "prometheusrules"),
  of("keda.sh/v1alpha1", "ScaledObject", "scaledobjects"),
];

/** As on a real server, there is time to delete one by one what was in it. */
const NAMESPACE_CLOSES_AFTER_MS = 1500;

/** Changes kept for watches that begin after them. */
const HISTORY = 10_000;

export interface Change {
  type: "ADDED" | "MODIFIED" | "DELETED";
  object: KubeObject;
}

/** Answered as a Status by the API server. */
export class KubeError extends Error {
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

export class Store {
  readonly #objects = new Map<string, KubeObject>();
  readonly #listeners = new Set<(change: Change) => void>();
  readonly #closing = new Map<string, NodeJS.Timeout>();
  /** The newest changes, oldest first: a watch begins where a list ended. */
  readonly #history: Change[] = [];
  #version = 1;
  /** Pods end in their own time: somebody else removes them when they have. */
  hasKubelet = false;

  get version(): string {
    return String(this.#version);
  }

  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Everything that came after a version. A deletion is among it, though the name may be taken again. */
  changesSince(version: number): Change[] {
    return this.#history.filter(({ object }) => Number(object.metadata.resourceVersion) > version);
  }

  list(kind: string, namespace?: string): KubeObject[] {
    return [...this.#objects.values()]
      .filter((object) => object.kind === kind)
      .filter((object) => namespace === undefined || object.metadata.namespace === namespace)
      .map((object) => structuredClone(object));
  }

  get(kind: string, name: string, namespace?: string): KubeObject | undefined {
    const found = this.#objects.get(keyOf(kind, name, namespace));
    return found === undefined ? undefined : structuredClone(found);
  }

  create(object: KubeObject): KubeObject {
    const { kind, metadata } = object;
    if (this.get(kind, metadata.name, metadata.namespace) !== undefined)
      throw new KubeError(409, "AlreadyExists", `${kind} "${metadata.name}" already exists`);
    if (metadata.namespace !== undefined && this.get("Namespace", metadata.namespace) === undefined)
      throw new KubeError(404, "NotFound", `namespaces "${metadata.namespace}" not found`);
    const created = structuredClone(object);
    Object.assign(created.metadata, {
      uid: randomUUID(),
      creationTimestamp: `${new Date().toISOString().slice(0, 19)}Z`,
      generation: 1,
    });
    if (kind === "Job") selectPodsOfJob(created);
    if (kind === "StatefulSet")
      created.spec = {
        updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 0 } },
        ...(created.spec as object),
      };
    return this.#put(created, "ADDED");
  }

  /** `status` and metadata do not make a new generation. */
  replace(object: KubeObject): KubeObject {
    const { kind, metadata } = object;
    const known = this.get(kind, metadata.name, metadata.namespace);
    if (known === undefined) throw new KubeError(404, "NotFound", `${kind} "${metadata.name}" not found`);
    const next = structuredClone(object);
    next.metadata.uid = known.metadata.uid as string;
    if (
      isDeepStrictEqual(
        { ...next, metadata: { ...next.metadata, resourceVersion: known.metadata.resourceVersion } },
        known,
      )
    )
      return known;
    checkImmutable(known, next);
    const changed = !isDeepStrictEqual(known.spec, next.spec);
    next.metadata.generation = (known.metadata.generation ?? 1) + (changed ? 1 : 0);
    return this.#put(next, "MODIFIED");
  }

  /** Changes what is there now; undefined when it is gone. */
  update(
    kind: string,
    name: string,
    namespace: string | undefined,
    change: (object: KubeObject) => void,
  ): KubeObject | undefined {
    const known = this.get(kind, name, namespace);
    if (known === undefined) return undefined;
    change(known);
    return this.replace(known);
  }

  /** Removes it and what it owns; a pod only asks its kubelet to end it. */
  delete(kind: string, name: string, namespace?: string): KubeObject {
    const known = this.get(kind, name, namespace);
    if (known === undefined) throw new KubeError(404, "NotFound", `${kind} "${name}" not found`);
    this.#closing.get(namespace ?? "")?.refresh();
    const isSlow = kind === "Namespace" || (kind === "Pod" && this.hasKubelet);
    if (!isSlow) return this.remove(known);
    known.metadata.deletionTimestamp ??= `${new Date().toISOString().slice(0, 19)}Z`;
    const marked = this.replace(known);
    if (kind === "Namespace" && !this.#closing.has(name))
      this.#closing.set(
        name,
        setTimeout(() => this.#closeNamespace(marked), NAMESPACE_CLOSES_AFTER_MS).unref(),
      );
    return marked;
  }

  /** What is in it goes first; a namespace whose pods take their time is looked at again. */
  #closeNamespace(namespace: KubeObject): void {
    const { name } = namespace.metadata;
    for (const { kind, metadata } of this.#objects.values())
      if (metadata.namespace === name && metadata.deletionTimestamp === undefined)
        this.delete(kind, metadata.name, name);
    if ([...this.#objects.values()].some(({ metadata }) => metadata.namespace === name)) {
      this.#closing.get(name)?.refresh();
      return;
    }
    this.#closing.delete(name);
    this.remove(namespace);
  }

  remove(object: KubeObject): KubeObject {
    const { kind, metadata } = object;
    const key = keyOf(kind, metadata.name, metadata.namespace);
    const known = this.#objects.get(key);
    if (known === undefined || known.metadata.uid !== metadata.uid) return object;
    this.#objects.delete(key);
    known.metadata.resourceVersion = String(++this.#version);
    this.#tell({ type: "DELETED", object: known });
    const owned = [...this.#objects.values()].filter(({ metadata: { ownerReferences = [] } }) =>
      ownerReferences.some(({ uid }) => uid === metadata.uid),
    );
    for (const { kind: ownedKind, metadata: each } of owned)
      this.delete(ownedKind, each.name, each.namespace);
    return known;
  }

  #put(object: KubeObject, type: "ADDED" | "MODIFIED"): KubeObject {
    object.metadata.resourceVersion = String(++this.#version);
    this.#objects.set(keyOf(object.kind, object.metadata.name, object.metadata.namespace), object);
    this.#tell({ type, object });
    return structuredClone(object);
  }

  #tell(change: Change): void {
    this.#history.push(structuredClone(change));
    if (this.#history.length > HISTORY) this.#history.shift();
    for (const listener of this.#listeners) listener(structuredClone(change));
  }
}

function keyOf(kind: string, name: string, namespace = ""): string {
  return `${kind}/${namespace}/${name}`;
}

/** As the real server does: its pods bear the Job's uid. */
function selectPodsOfJob(job: KubeObject): void {
  const spec = job.spec as { selector?: unknown };
  spec.selector = { matchLabels: { "batch.kubernetes.io/controller-uid": job.metadata.uid as string } };
}

function checkImmutable(known: KubeObject, next: KubeObject): void {
  if (known.kind !== "Job") return;
  const { template: before } = known.spec as { template: unknown };
  const { template: after } = next.spec as { template: unknown };
  if (!isDeepStrictEqual(before, after))
    throw new KubeError(
      422,
      "Invalid",
      `Job "${known.metadata.name}" is invalid: spec.template: field is immutable`,
    );
}
