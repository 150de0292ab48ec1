/** Machines for tests: network namespaces, each with a cable to one switch. Root may make them, where Linux lets it. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { PROGRAM } from "./saf.js";

/** What is made here ends with it. */
export interface Scope {
  after(end: () => void | Promise<void>): void;
}

const SWITCH = "switch";
const CABLE = "cable";

const canMakeMachines =
  spawnSync("unshare", ["--net", "ip", "link", "add", SWITCH, "type", "bridge"]).status === 0 &&
  spawnSync("nsenter", ["--version"]).status === 0;

/** Why there can be none here; undefined where they can be made. */
export const noMachines = canMakeMachines
  ? undefined
  : "network namespaces need root, unshare, nsenter, ip and bridges";

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
  const { status, stderr } = spawnSync("nsenter", ["-t", String(holder), "-n", ...command], {
    encoding: "utf8",
  });
  assert.equal(status, 0, `${command.join(" ")}: ${stderr}`);
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

export interface Running {
  child: ChildProcess;
  exit: Promise<number | null>;
  /** Resolves with the line of standard error that matches. */
  said(pattern: RegExp): Promise<string>;
  /** Its JSON document, once it is whole. */
  result<Value>(): Promise<Value>;
  words: () => string;
}

/** `saf` on a machine; ended with `scope`. */
export function saf(scope: Scope, { holder, state }: Machine, folder: string, ...args: string[]): Running {
  const child = spawn(
    "nsenter",
    ["-t", String(holder), "-n", process.execPath, "--enable-source-maps", PROGRAM, ...args],
    { cwd: folder, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, SAF_STATE_DIR: state } },
  );
  const exit = once(child, "close").then(([code]) => code as number | null);
  scope.after(async () => {
    child.kill("SIGTERM");
    await exit;
  });
  let out = "";
  const result = async <Value>(): Promise<Value> => {
    for await (const text of child.stdout.setEncoding("utf8")) {
      out += String(text);
      if (out.endsWith("}\n")) return JSON.parse(out) as Value;
    }
    throw new Error(`no result\n${words()}`);
  };
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stderr }).on("line", (line) => {
    lines.push(line);
    for (const look of waiting) look();
  });
  const words = (): string => `saf ${args[0]}:\n${lines.slice(-30).join("\n")}\n${out}`;
  const said = (pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = lines.find((line) => pattern.test(line));
        if (found === undefined) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
      void exit.then((code) => reject(new Error(`ended with ${code} before ${pattern}\n${words()}`)));
    });
  return { child, exit, said, result, words };
}

/** The worker processes that a launcher has started; none while they are started again. */
export function workersOf(launcher: number): number[] {
  const children = textOf(`/proc/${launcher}/task/${launcher}/children`).split(" ");
  return children.filter((pid) => textOf(`/proc/${pid}/cmdline`).split("\0").includes("worker")).map(Number);
}

/** Empty when the process is gone. */
function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "";
  }
}

/** How often the workers of a machine were taken in. */
export async function joinsOf({ state }: Machine): Promise<number> {
  const [home = ""] = await readdir(join(state, "joined"));
  const logs = join(state, "joined", home, "logs");
  const files = readdirSync(logs).filter((name) => name.endsWith(".jsonl"));
  const texts = await Promise.all(files.map((name) => readFile(join(logs, name), "utf8")));
  return texts.join("").split("Joined the pool as").length - 1;
}
