/**
 * A directory has one writer: who holds its lock file. The file names its owner and carries a beat. A lock is taken over at
 * once when its owner is gone from this machine; that of another machine or container when its beat stands still, by our
 * own clock, so that no two clocks are compared.
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, open, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Clock, pause } from "../../shared/clock.js";
import { ClusterError } from "../../shared/errors.js";
import { storageError } from "../../shared/io/atomic-file.js";
import { type ProcessMark, type Processes, realProcesses } from "./process-mark.js";

export const LOCK_FILE = "lock.json";
const BEAT_MS = 3000;
/** A beat that stands still for so long is nobody's any more. */
const STILL_MS = 20_000;
/** An owner that is about to end (it was killed with its parent, say) gets this long. */
const PATIENCE_MS = 2000;
const LOOK_MS = 100;
/** No process takes so long to remove one file. */
const CLAIM_MS = 5000;

interface Owner extends ProcessMark {
  token: string;
  since: string;
  /** Of a fixed width: it is written over in place, which needs no room on the disk. */
  beat: string;
}

export interface LockEdges {
  clock: Clock;
  processes: Processes;
  /** Milliseconds since 1970, for people. */
  wallClock: () => number;
  /** Another process writes a directory of ours: nothing more must be written. */
  onLost: (error: ClusterError) => void;
}

interface Held {
  owner: Owner;
  /** How often it was taken here and not given back. */
  count: number;
  beats: number;
}

export class DirectoryLocks {
  readonly #edges: LockEdges;
  readonly #held = new Map<string, Held>();
  #stopBeating: (() => void) | undefined;

  constructor(edges: LockEdges) {
    this.#edges = edges;
  }

  /**
   * Takes the lock of a directory that is there, as often as it is asked to. Throws ClusterError: "dependency" naming the
   * owner when another process holds it, "storage".
   */
  async take(directory: string): Promise<void> {
    const held = this.#held.get(directory);
    if (held !== undefined) {
      held.count++;
      return;
    }
    // The lists of this process hold the folders around their runs themselves.
    if (!this.#held.has(dirname(directory))) await refuseAround(directory, this.#edges);
    const owner = await this.#newOwner();
    await take(join(directory, LOCK_FILE), owner, this.#edges);
    this.#held.set(directory, { owner, count: 1, beats: 0 });
    this.#stopBeating ??= this.#edges.clock.every(BEAT_MS, () => void this.#beat());
  }

  /** May this process write there? */
  holds(directory: string): boolean {
    return this.#held.has(directory);
  }

  async release(directory: string): Promise<void> {
    const held = this.#held.get(directory);
    if (held === undefined || --held.count > 0) return;
    this.#held.delete(directory);
    if (this.#held.size === 0) {
      this.#stopBeating?.();
      this.#stopBeating = undefined;
    }
    const file = join(directory, LOCK_FILE);
    if ((await readOwner(file))?.owner?.token === held.owner.token)
      await rm(file, { force: true }).catch(() => undefined);
  }

  async #newOwner(): Promise<Owner> {
    const since = new Date(this.#edges.wallClock()).toISOString();
    return {
      ...(await this.#edges.processes.own()),
      token: randomBytes(12).toString("hex"),
      since,
      beat: beatText(0),
    };
  }

  async #beat(): Promise<void> {
    for (const [directory, held] of this.#held) {
      const file = join(directory, LOCK_FILE);
      const found = await readOwner(file).catch(() => "unreadable" as const);
      // What cannot be read now says nothing: the next beat looks again.
      if (found === "unreadable" || !this.#held.has(directory)) continue;
      if (found?.owner?.token !== held.owner.token) {
        this.#edges.onLost(heldBy(directory, found?.owner, undefined));
        return;
      }
      held.beats++;
      await overwrite(file, textOf({ ...held.owner, beat: beatText(held.beats) })).catch(() => undefined);
    }
  }
}

/**
 * Throws ClusterError("dependency") when a living process of this machine holds the directory's lock, or that of the list of
 * runs around it.
 */
export async function refuseLocked(directory: string, clock: Clock): Promise<void> {
  const edges = { clock, processes: realProcesses };
  const holder = await holderOf(directory, edges);
  if (holder !== undefined) throw heldBy(directory, holder, await realProcesses.own());
  await refuseAround(directory, edges);
}

export interface Writer {
  pid: number;
  since: string;
  /** On this machine, alive; else of another one or of a container, of which nothing is known here. */
  isHere: boolean;
}

/** Who writes a directory now, as far as its lock says; nobody where that is of a process which is gone. */
export async function writerOf(
  directory: string,
  processes: Processes = realProcesses,
): Promise<Writer | undefined> {
  const owner = (await readOwner(join(directory, LOCK_FILE)))?.owner;
  const standing = owner === undefined ? "gone" : await processes.standing(owner, await processes.own());
  if (owner === undefined || standing === "gone") return undefined;
  return { pid: owner.pid, since: owner.since, isHere: standing === "alive" };
}

/** A list of runs comes to each of its folders in its own time: between two of its runs none of them is free. */
async function refuseAround(directory: string, edges: Looking): Promise<void> {
  const list = dirname(directory);
  const holder = await holderOf(list, edges);
  if (holder === undefined) return;
  throw new ClusterError(
    "dependency",
    `Cannot write ${directory}: process ${holder.pid} on this machine works on all runs in ${list}, since ${holder.since}`,
    { hint: "wait for it to end, or stop it" },
  );
}

/** The living process of this machine that holds a directory's lock, and does not end soon. */
async function holderOf(directory: string, { clock, processes }: Looking): Promise<Owner | undefined> {
  const own = await processes.own();
  const began = clock.now();
  for (;;) {
    const owner = (await readOwner(join(directory, LOCK_FILE)))?.owner;
    if (owner === undefined || (await processes.standing(owner, own)) !== "alive") return undefined;
    if (clock.now() - began > PATIENCE_MS) return owner;
    await pause(clock, LOOK_MS);
  }
}

type Looking = Pick<LockEdges, "clock" | "processes">;

async function take(file: string, own: Owner, edges: Looking): Promise<void> {
  const { clock, processes } = edges;
  const directory = file.slice(0, -LOCK_FILE.length - 1);
  const began = clock.now();
  let seen: { text: string; token: string | undefined; sinceMs: number } | undefined;
  while (!(await create(file, own))) {
    const found = await readOwner(file);
    if (found === undefined) continue;
    const { text, owner } = found;
    const standing = owner === undefined ? "unknown" : await processes.standing(owner, own);
    if (standing === "alive" && clock.now() - began > PATIENCE_MS) throw heldBy(directory, owner, own);
    // The same owner has beaten while we looked.
    if (standing === "unknown" && seen?.token === owner?.token && seen !== undefined && seen.text !== text)
      throw heldBy(directory, owner, own);
    if (seen?.text !== text) seen = { text, token: owner?.token, sinceMs: clock.now() };
    const isStill = standing === "unknown" && clock.now() - seen.sinceMs > STILL_MS;
    const isNobodys = standing === "gone" || isStill;
    if (!isNobodys || !(await clear(file, text, own, edges))) await pause(clock, LOOK_MS);
  }
}

/** False when there is a lock already. */
async function create(file: string, own: Owner): Promise<boolean> {
  return createWith(file, async (handle) => {
    await handle.writeFile(textOf(own));
    await handle.sync();
  });
}

/** The same, of a claim, which lasts a moment: on a full disk it names nobody, and makes room for the lock that follows. */
async function createClaim(file: string, own: Owner): Promise<boolean> {
  return createWith(file, async (handle) => {
    await handle.writeFile(textOf(own)).catch(() => handle.truncate(0));
  });
}

async function createWith(file: string, fill: (handle: FileHandle) => Promise<void>): Promise<boolean> {
  try {
    const handle = await open(file, "wx");
    try {
      await fill(handle);
    } catch (cause) {
      await rm(file, { force: true });
      throw cause;
    } finally {
      await handle.close();
    }
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw storageError(`lock ${file}`, cause);
  }
}

/**
 * Clears a lock away that was judged to be nobody's; false when another one is at it. One at a time, so that nobody clears
 * what another has made since. Who then makes the new lock is for `create` to say.
 */
async function clear(file: string, judged: string, own: Owner, edges: Looking): Promise<boolean> {
  const claim = `${file}.claim`;
  if (!(await createClaim(claim, own))) {
    await dropOldClaim(claim, own, edges);
    return false;
  }
  try {
    if ((await readOwner(file))?.text === judged) await rm(file, { force: true });
  } finally {
    await rm(claim, { force: true });
  }
  return true;
}

/** A claim lasts a moment: one that stays is of a process that died in between. */
async function dropOldClaim(claim: string, own: Owner, { clock, processes }: Looking): Promise<void> {
  const before = await readOwner(claim);
  if (before === undefined) return;
  const isGone = before.owner !== undefined && (await processes.standing(before.owner, own)) === "gone";
  if (!isGone) await pause(clock, CLAIM_MS);
  if ((await readOwner(claim))?.text === before.text) await rm(claim, { force: true });
}

/** Undefined where there is no lock; `owner` is undefined where it says nothing that can be understood. */
async function readOwner(file: string): Promise<{ text: string; owner: Owner | undefined } | undefined> {
  const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined;
    throw storageError(`read ${file}`, cause);
  });
  return text === undefined ? undefined : { text, owner: ownerIn(text) };
}

function ownerIn(text: string): Owner | undefined {
  try {
    const found = JSON.parse(text) as Partial<Owner> | null;
    const { pid, host, started, token } = found ?? {};
    const isOwner =
      Number.isSafeInteger(pid) && [host, started, token].every((part) => typeof part === "string");
    return isOwner ? (found as Owner) : undefined;
  } catch {
    return undefined;
  }
}

async function overwrite(file: string, text: string): Promise<void> {
  const handle = await open(file, "r+");
  try {
    await handle.write(text, 0);
  } finally {
    await handle.close();
  }
}

const beatText = (beats: number): string => String(beats).padStart(12, "0");
const textOf = (owner: Owner): string => `${JSON.stringify(owner, null, 2)}\n`;

/** `own`: undefined when the lock was ours. */
function heldBy(directory: string, owner: Owner | undefined, own: ProcessMark | undefined): ClusterError {
  const place =
    own !== undefined && owner?.host === own.host ? "on this machine" : "of another machine or container";
  const who = owner === undefined ? "another process" : `process ${owner.pid} ${place}`;
  const since = owner === undefined ? "" : `, since ${owner.since}`;
  const what = own === undefined ? `The lock of ${directory} was taken away` : `Cannot write ${directory}`;
  return new ClusterError("dependency", `${what}: ${who} writes it${since}`, {
    hint: "one process at a time: wait for it to end, or stop it; the lock of a process that has died is taken over by itself",
  });
}
