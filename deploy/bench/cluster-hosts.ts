/** A cluster whose workers are on several machines: network namespaces, or at least processes that share no memory. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "../local/places.js";
import { type ClusterRun, clusterRun } from "./cluster-run.js";
import type { Cluster, Measured } from "./core/contenders.js";
import { hostOfWorker } from "./core/hosts.js";
import type { Ground } from "./ground.js";
import { type Machine, type Scope, machines, onMachine, openLoopback, whyNoMachines } from "./namespaces.js";
import { lastLine, runProgram } from "./run-program.js";

/** What the process on the first host is told. */
export interface HostedOrder {
  ground: Ground;
  cluster: Cluster;
  hosts: readonly Pick<Machine, "holder" | "address">[];
}

const ON_FIRST_HOST = fileURLToPath(new URL("./hosted-cluster.js", import.meta.url));

/** Everything on one cable, for as long as `use` takes. */
export async function withMachines<Result>(
  count: number,
  use: (all: readonly Machine[], folder: string) => Promise<Result>,
): Promise<Result> {
  const ends: (() => void | Promise<void>)[] = [];
  const scope: Scope = { after: (end) => void ends.unshift(end) };
  const folder = await temporaryFolder("saf-bench-");
  try {
    return await use(await machines(scope, folder, count), folder);
  } finally {
    for (const end of ends) await end();
    await rm(folder, { recursive: true, force: true });
  }
}

export async function clusterOnHosts(ground: Ground, cluster: Cluster): Promise<Measured> {
  const apart: Cluster = { ...cluster, bulk: "nats" };
  const why = whyNoMachines();
  if (why !== undefined) return (await clusterRun(ground, apart)).measured;
  return withMachines(cluster.hosts, async (all) => {
    const [first] = all;
    if (first === undefined) return (await clusterRun(ground, apart)).measured;
    openLoopback(first);
    const hosts = all.map(({ holder, address }) => ({ holder, address }));
    const order: HostedOrder = { ground, cluster: apart, hosts };
    const [program = "", ...args] = [...onMachine(first), process.execPath, ON_FIRST_HOST];
    const { stdout } = await runProgram(program, { args: [...args, JSON.stringify(order)] });
    return JSON.parse(lastLine(stdout)) as Measured;
  });
}

/** On the first host: nats-server and coordinator are here, and workers of the others come by the cable. */
export function runHosted({ ground, cluster, hosts }: HostedOrder): Promise<ClusterRun> {
  const [first] = hosts;
  return clusterRun(ground, cluster, {
    route: (serverUrl) => {
      const { port } = new URL(serverUrl);
      const hostOf = (name: string): HostedOrder["hosts"][number] | undefined => {
        const host = hosts[hostOfWorker(name, cluster)];
        return host === first ? undefined : host;
      };
      return Promise.resolve({
        urlOf: (name) => (hostOf(name) === undefined ? serverUrl : `nats://${first?.address}:${port}`),
        behind: (name) => {
          const host = hostOf(name);
          return host === undefined ? [] : onMachine(host);
        },
        close: () => Promise.resolve(),
      });
    },
  });
}

/** A file that all machines see and that is not there yet. */
export const meetingPlace = (folder: string): string => join(folder, "rendezvous");
