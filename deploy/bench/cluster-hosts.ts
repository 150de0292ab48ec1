/** A cluster whose workers are on several machines, as far as one machine can play them. */
import type { Cluster, Measured } from "./core/contenders.js";
import { clusterRun } from "./cluster-run.js";
import type { Ground } from "./ground.js";

/** Processes that share no memory: what travels between them goes through NATS. */
export async function clusterOnHosts(ground: Ground, cluster: Cluster): Promise<Measured> {
  return (await clusterRun(ground, { ...cluster, bulk: "nats" })).measured;
}
