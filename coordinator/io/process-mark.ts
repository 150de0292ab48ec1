/** Which process on which machine: told apart from a later one of the same number, and without naming the machine. */
import { createHash } from "node:crypto";
import { readFile, readlink } from "node:fs/promises";
import { hostname } from "node:os";

export interface ProcessMark {
  pid: number;
  /** Hash of what processes share that see each other: the machine since its start, and the space of their numbers. */
  host: string;
  /** When the process began, in the kernel's count; empty where no kernel says. */
  started: string;
}

/** Which processes there are. */
export interface Processes {
  own(): Promise<ProcessMark>;
  /** "unknown" for a process of another machine or container: its number says nothing here. */
  standing(mark: ProcessMark, own: ProcessMark): Promise<"alive" | "gone" | "unknown">;
}

export const realProcesses: Processes = { own: ownMark, standing: standingOf };

async function ownMark(): Promise<ProcessMark> {
  const found = await statOf(process.pid);
  return { pid: process.pid, host: await hostHere(), started: found?.started ?? "" };
}

async function hostHere(): Promise<string> {
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => hostname());
  const numbers = await readlink("/proc/self/ns/pid").catch(() => "");
  return createHash("sha256").update(`${boot.trim()} ${numbers}`).digest("hex").slice(0, 16);
}

async function standingOf(mark: ProcessMark, own: ProcessMark): Promise<"alive" | "gone" | "unknown"> {
  if (mark.host !== own.host) return "unknown";
  if (own.started === "") return isThere(mark.pid) ? "alive" : "gone";
  const found = await statOf(mark.pid);
  return found?.started === mark.started && !found.isDead ? "alive" : "gone";
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** From /proc/<pid>/stat: behind the name in parentheses, field 3 is the state and field 22 the start. */
async function statOf(pid: number): Promise<{ isDead: boolean; started: string } | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { isDead: /^[ZX]/.test(fields[0] ?? ""), started: fields[19] ?? "" };
}
