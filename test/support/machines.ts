/** `saf` on machines of one's own: network namespaces (deploy/bench/namespaces.ts). Root may make them, where Linux lets it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Machine, type Scope, whyNoMachines } from "../../deploy/bench/namespaces.js";
import { PROGRAM } from "./saf.js";

/** Why there can be none here; undefined where they can be made. */
export const noMachines = whyNoMachines();

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
