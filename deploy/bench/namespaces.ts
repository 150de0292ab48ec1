/** Machines within this one: network namespaces, each with a cable to one switch. Root may make them, where Linux lets it. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { ClusterError } from "../../shared/errors.js";

/** What is made here ends with it. */
export interface Scope {
  after(end: () => void | Promise<void>): void;
}

const SWITCH = "switch";
/** The interface by which a machine reaches the others. */
export const CABLE = "cable";

/** Why there can be none here; undefined where they can be made. */
export function whyNoMachines(): string | undefined {
  const canMakeThem =
    spawnSync("unshare", ["--net", "ip", "link", "add", SWITCH, "type", "bridge"]).status === 0 &&
    spawnSync("nsenter", ["--version"]).status === 0;
  return canMakeThem ? undefined : "network namespaces need root, unshare, nsenter, ip and bridges";
}

/** What runs a command on a machine, before its words. */
export const onMachine = ({ holder }: Pick<Machine, "holder">): string[] => [
  ...["nsenter", "-t", String(holder), "-n"],
];

/** Its namespace lives as long as the process that holds it. */
export interface Machine {
  holder: number;
  /** Of its cable. */
  address: string;
  state: string;
  /** Pulls its cable out of the switch, or puts it in again: nobody is told. */
  cable(isIn: boolean): void;
}

/** The holder ends with us: its standard input closes. */
async function namespace(scope: Scope): Promise<number> {
  const holder = spawn("unshare", ["--net", "sh", "-c", "ip link set lo up && echo up && exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  scope.after(() => void holder.kill("SIGKILL"));
  await once(holder.stdout, "data");
  return holder.pid ?? 0;
}

function inside(holder: number, ...command: string[]): void {
  const [program = "", ...args] = [...onMachine({ holder }), ...command];
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new ClusterError("dependency", `Cannot ${command.join(" ")}: ${stderr}`);
}

/** What listens on the machine's loopback is reached at its address too. Throws ClusterError("dependency") without iptables. */
export function openLoopback({ holder, address }: Machine): void {
  inside(holder, "sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1");
  const loopback = ["-d", address, "-p", "tcp", "-j", "DNAT", "--to-destination", "127.0.0.1"];
  inside(holder, "iptables", "-t", "nat", "-A", "PREROUTING", ...loopback);
}

/** So many, whose addresses are 10.99.0.1 and on. What they keep is below `folder`. */
export async function machines(scope: Scope, folder: string, count: number): Promise<Machine[]> {
  const middle = await namespace(scope);
  inside(middle, "ip", "link", "add", SWITCH, "type", "bridge");
  inside(middle, "ip", "link", "set", SWITCH, "up");
  const all: Machine[] = [];
  for (let number = 1; number <= count; number++) {
    const port = `port-${number}`;
    const machine = {
      holder: await namespace(scope),
      address: `10.99.0.${number}`,
      state: join(folder, `state-${number}`),
      cable: (isIn: boolean) => inside(middle, "ip", "link", "set", port, isIn ? "up" : "down"),
    };
    connect(machine, middle, port);
    all.push(machine);
  }
  return all;
}

function connect({ holder, address }: Machine, middle: number, port: string): void {
  const peer = ["peer", "name", CABLE, "netns", String(holder)];
  inside(middle, "ip", "link", "add", port, "type", "veth", ...peer);
  inside(middle, "ip", "link", "set", port, "master", SWITCH, "up");
  inside(holder, "ip", "address", "add", `${address}/24`, "dev", CABLE);
  inside(holder, "ip", "link", "set", CABLE, "up");
}
