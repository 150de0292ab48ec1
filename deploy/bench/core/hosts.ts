/** Which host a process of a benchmark is on. */
import type { Cluster } from "./contenders.js";

/** Consecutive workers share a host, as nearly as many on each; whoever is no worker is on the first. */
export function hostOfWorker(name: string, { workers, hosts }: Pick<Cluster, "workers" | "hosts">): number {
  const number = Number(/^worker-(\d+)$/.exec(name)?.[1] ?? 1);
  return hostOfPlace(number - 1, workers, hosts);
}

/** `place`: 0 to `count` − 1; one that came later is on the last. */
export function hostOfPlace(place: number, count: number, hosts: number): number {
  return Math.min(hosts - 1, Math.floor((place * hosts) / count));
}
