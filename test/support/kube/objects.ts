/** Kubernetes objects as the in-memory API server keeps them: JSON, of which it knows the metadata. */
import { isDeepStrictEqual } from "node:util";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export interface Metadata {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: { kind: string; name: string; uid: string; apiVersion: string; controller?: boolean }[];
}

export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: Metadata;
  // Each kind has its own form; whoever reads one says which.
  spec?: unknown;
  status?: unknown;
  [key: string]: unknown;
}

/** Does an object bear all of these labels? */
export function bears(object: KubeObject, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => object.metadata.labels?.[key] === value);
}

/** "a=b,c==d,e!=f,g,!h" and "a in (b,c)" are what kubectl and controllers write. */
export function selects(selector: string, object: KubeObject): boolean {
  return selector
    .split(/,(?![^(]*\))/)
    .filter((part) => part !== "")
    .every((part) => {
      const labels = object.metadata.labels ?? {};
      const [, set, inside] = /^(\S+) in \((.*)\)$/.exec(part) ?? [];
      if (set !== undefined) return (inside ?? "").split(",").includes(labels[set] ?? "");
      const [, key = "", operator, value] = /^(!?[^=!]+)(==?|!=)?(.*)$/.exec(part) ?? [];
      if (operator === undefined) return key.startsWith("!") ? !(key.slice(1) in labels) : key in labels;
      return operator === "!=" ? labels[key] !== value : labels[key] === value;
    });
}

/** RFC 7386. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

/** Lists that a strategic patch merges by a key, as far as our manifests have them; others are replaced. */
const MERGE_KEYS: Readonly<Record<string, string>> = {
  containers: "name",
  initContainers: "name",
  env: "name",
  volumes: "name",
  volumeMounts: "mountPath",
  conditions: "type",
};
/** Of a container ports are known by their number, of a Service by their own. */
const PORT_KEYS = ["containerPort", "port"];

/** kubectl's patch for built-in kinds: `$patch`, `$setElementOrder`, `$retainKeys`, lists merged by key. */
export function strategicPatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  if (patch["$patch"] === "replace") return without(patch);
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {};
  const retained = patch["$retainKeys"];
  if (Array.isArray(retained))
    for (const key of Object.keys(result)) if (!retained.includes(key)) delete result[key];
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith("$")) continue;
    const mergeKey = Array.isArray(value) ? mergeKeyOf(key, value) : undefined;
    if (value === null) delete result[key];
    else if (mergeKey !== undefined) {
      const order = patch[`$setElementOrder/${key}`];
      result[key] = mergeList(result[key], value as unknown[], mergeKey, order);
    } else result[key] = strategicPatch(result[key], value);
  }
  return result;
}

function mergeKeyOf(key: string, list: readonly unknown[]): string | undefined {
  if (key !== "ports") return MERGE_KEYS[key];
  return PORT_KEYS.find((candidate) => list.some((item) => isObject(item) && candidate in item));
}

function mergeList(target: unknown, patch: unknown[], key: string, order: unknown): unknown[] {
  const merged = Array.isArray(target) ? [...(target as unknown[])] : [];
  const at = (item: unknown): number =>
    merged.findIndex(
      (other) => isObject(other) && isObject(item) && isDeepStrictEqual(other[key], item[key]),
    );
  for (const item of patch) {
    const known = at(item);
    if (isObject(item) && item["$patch"] === "delete") {
      if (known >= 0) merged.splice(known, 1);
    } else if (known >= 0) merged[known] = strategicPatch(merged[known], item);
    else merged.push(strategicPatch({}, item));
  }
  if (!Array.isArray(order)) return merged;
  const place = (item: unknown): number => {
    const found = order.findIndex(
      (wanted) => isObject(wanted) && isObject(item) && wanted[key] === item[key],
    );
    return found < 0 ? order.length : found;
  };
  return merged.sort((a, b) => place(a) - place(b));
}

function without(patch: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(patch).filter(([key]) => !key.startsWith("$")));
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
