/**
 * One nats-server per store: two on the same directory both start and ruin it, because the server takes no lock. Ours
 * is a file that names the owner (this process) and the server by pid and start time, so that a crash leaves no lock
 * that stays shut and a pid that was given away again is not mistaken for the owner.
 * It holds among processes that see each other's pids: not between two hosts or containers that share a volume.
 */
import { execFileSync } from "node:child_process";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type Clock, pause } from "../../../shared/clock.js";
import { ClusterError, codeIn } from "../../../shared/errors.js";

export interface ProcessIdentity {
  pid: number;
  /** Tells this process from a later one with the same pid: boot id and clock ticks (Linux), or a date (macOS). */
  startTime: string;
}

export interface LockContent {
  owner: ProcessIdentity;
  server: ProcessIdentity | null;
}

export interface StoreLock {
  /** Notes which server runs on the store now. */
  setServer(pid: number): void;
  release(): void;
}

/** The process that has this pid now; undefined when there is none or it is dead and only not yet collected. */
export function processIdentity(pid: number): ProcessIdentity | undefined {
  const startTime = process.platform === "linux" ? linuxStartTime(pid) : psStartTime(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}

export function isRunning(identity: ProcessIdentity): boolean {
  return processIdentity(identity.pid)?.startTime === identity.startTime;
}

/**
 * Takes the lock of `directory`. A lock whose owner is dead is taken over, after its server has gone too: the guard
 * ends it within moments, and what is still there after `serverWaitMs` is killed.
 * @throws ClusterError("dependency") while another living process owns the store.
 */
export async function lockStore(
  directory: string,
  {
    clock,
    serverWaitMs,
    inUse = storeInUse,
  }: {
    clock: Clock;
    serverWaitMs: number;
    inUse?: (directory: string, content: LockContent) => ClusterError;
  },
): Promise<StoreLock> {
  const path = join(directory, "lock");
  const owner = processIdentity(process.pid);
  if (owner === undefined)
    throw new ClusterError("dependency", "Cannot lock the store: the system does not say when we began", {
      hint: "is /proc mounted?",
    });

  let content: LockContent = { owner, server: null };
  while (!createExclusive(path, content)) {
    const found = readLock(path);
    if (found === undefined) continue; // released just now
    if (found.content !== null) {
      if (isRunning(found.content.owner)) throw inUse(directory, found.content);
      if (found.content.server !== null) await waitForEnd(found.content.server, clock, serverWaitMs);
    }
    removeStale(path, found.text);
  }

  return {
    setServer(pid) {
      content = { owner, server: processIdentity(pid) ?? null };
      const temporary = temporaryName(path);
      writeFileSync(temporary, JSON.stringify(content), { mode: 0o600 });
      renameSync(temporary, path);
    },
    release() {
      if (readLock(path)?.text === JSON.stringify(content)) rmSync(path, { force: true });
    },
  };
}

function storeInUse(directory: string, { owner, server }: LockContent): ClusterError {
  const running = server === null ? "" : ` (its nats-server is process ${server.pid})`;
  return new ClusterError(
    "dependency",
    `Cannot start nats-server on ${directory}: process ${owner.pid} has it in use${running}`,
    { hint: `Stop process ${owner.pid} first, or use another directory.` },
  );
}

/** A link appears whole or not at all, so nobody reads a half-written lock. */
function createExclusive(path: string, content: LockContent): boolean {
  const temporary = temporaryName(path);
  writeFileSync(temporary, JSON.stringify(content), { mode: 0o600 });
  try {
    linkSync(temporary, path);
    return true;
  } catch (error) {
    if (codeIn(error) === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Moves the stale lock aside. Another process may have replaced it since it was read: then it is put back. */
function removeStale(path: string, staleText: string): void {
  const aside = temporaryName(path);
  try {
    renameSync(path, aside);
  } catch (error) {
    if (codeIn(error) === "ENOENT") return;
    throw error;
  }
  if (readFileSync(aside, "utf8") !== staleText) linkSync(aside, path);
  rmSync(aside, { force: true });
}

/** The content is null when the file is not one of ours: nobody who lives can have written it. */
function readLock(path: string): { text: string; content: LockContent | null } | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (codeIn(error) === "ENOENT") return undefined;
    throw error;
  }
  return { text, content: parseLock(text) };
}

function parseLock(text: string): LockContent | null {
  try {
    const value = JSON.parse(text) as Partial<LockContent> | null;
    if (!isIdentity(value?.owner)) return null;
    return { owner: value.owner, server: isIdentity(value.server) ? value.server : null };
  } catch {
    return null;
  }
}

export function isIdentity(value: unknown): value is ProcessIdentity {
  if (typeof value !== "object" || value === null || !("pid" in value) || !("startTime" in value))
    return false;
  const { pid, startTime } = value;
  return typeof pid === "number" && Number.isSafeInteger(pid) && pid > 0 && typeof startTime === "string";
}

async function waitForEnd(server: ProcessIdentity, clock: Clock, waitMs: number): Promise<void> {
  const killAt = clock.now() + waitMs;
  while (isRunning(server) && clock.now() < killAt) await pause(clock, 20);
  if (!isRunning(server)) return;
  process.kill(server.pid, "SIGKILL");
  const giveUpAt = clock.now() + waitMs;
  while (isRunning(server)) {
    if (clock.now() >= giveUpAt) {
      throw new ClusterError(
        "dependency",
        `Cannot take over the store: the abandoned nats-server ${server.pid} does not end`,
      );
    }
    await pause(clock, 20);
  }
}

function temporaryName(path: string): string {
  return `${path}.${process.pid}-${randomBytes(4).toString("hex")}`;
}

function linuxStartTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in brackets and may hold anything, brackets and blanks too.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, startTicks] = [fields[0], fields[19]];
    if (state === "Z" || state === "X" || startTicks === undefined) return undefined;
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()}:${startTicks}`;
  } catch {
    return undefined;
  }
}

function psStartTime(pid: number): string | undefined {
  try {
    const output = execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], {
      encoding: "utf8",
      timeout: 5000,
    });
    return output.trim() === "" ? undefined : output.trim();
  } catch {
    return undefined;
  }
}
