/**
 * The private folders of one local cluster: one on disk (keys, the server's store), one in shared memory (the processes'
 * rings), and what becomes of them when their owner is killed: the guard of nats-server removes the first, the processes
 * the second, and where these were killed too, the next start does. A file in each names the owner by pid and start time,
 * the place where that pid means something, and the other folder: nothing of a living process is ever taken away, and
 * either folder leads to both, so that it does not matter where the next start keeps its own.
 */
import { lstat, mkdtemp, readFile, readdir, readlink, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { OWNER_FILE } from "../../shared/io/shared-memory-bus.js";
import { type ProcessIdentity, isIdentity, isRunning, processIdentity } from "./nats/store-lock.js";
import { temporaryFolder } from "./places.js";

const PREFIX = "saf-";
const NAME = /^saf-[A-Za-z0-9]{6}$/;
/** A file system in memory, where there is one. */
export const SHARED_MEMORY = "/dev/shm";

interface Owner extends ProcessIdentity {
  /** Host and process namespace. */
  place: string;
  /** The cluster's folders besides the one in which this stands. */
  others: string[];
}

export interface Scratch {
  /** On disk; only this user may enter it. */
  disk: string;
  /** In shared memory; undefined where it is not wanted, or the system has none: then bytes go through NATS. */
  memory: string | undefined;
}

/** Fresh folders, named as ours. Throws ClusterError("storage") and leaves none when there is no place for them. */
export async function createScratch(wantsMemory: boolean): Promise<Scratch> {
  const disk = await temporaryFolder(PREFIX);
  const memory = wantsMemory ? await mkdtemp(join(SHARED_MEMORY, PREFIX)).catch(() => undefined) : undefined;
  try {
    await writeOwner(disk, memory === undefined ? [] : [memory]);
  } catch (error) {
    await removeScratch({ disk, memory });
    throw error;
  }
  if (memory === undefined) return { disk, memory };
  // Memory without room for a few bytes is of no use; what the folder on disk says of it still holds.
  const isOwned = await writeOwner(memory, [disk]).then(
    () => true,
    () => false,
  );
  if (isOwned) return { disk, memory };
  await rm(memory, { recursive: true, force: true });
  return { disk, memory: undefined };
}

export async function removeScratch({ disk, memory }: Scratch): Promise<void> {
  for (const folder of [disk, memory])
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
}

async function writeOwner(folder: string, others: string[]): Promise<void> {
  const identity = processIdentity(process.pid);
  if (identity === undefined) return;
  const owner: Owner = { ...identity, place: await placeOfPids(), others };
  await writeFile(join(folder, OWNER_FILE), JSON.stringify(owner), { mode: 0o600 });
}

/** Removes the folders in `parents`, and those that go with them, whose owner is dead. Returns the paths of what was removed. */
export async function sweepScratch(
  parents: readonly string[] = [tmpdir(), SHARED_MEMORY],
): Promise<string[]> {
  const place = await placeOfPids();
  const removed: string[] = [];
  for (const parent of new Set(parents)) {
    for (const name of await readdir(parent).catch(() => [])) {
      const folder = join(parent, name);
      const owner = await ownerOf(folder);
      if (owner === undefined || !isDead(owner, place)) continue;
      for (const each of [folder, ...owner.others])
        if (isSame(await ownerOf(each), owner) && (await isRemoved(each))) removed.push(each);
    }
  }
  return removed;
}

/** False where it cannot be: somebody else's by now, or being removed by another start. */
async function isRemoved(folder: string): Promise<boolean> {
  return rm(folder, { recursive: true }).then(
    () => true,
    () => false,
  );
}

/** What a folder of ours says of its owner; undefined where it is none, or says nothing that can be understood. */
async function ownerOf(folder: string): Promise<Owner | undefined> {
  if (!NAME.test(basename(folder)) || !(await isOurs(folder))) return undefined;
  const found = await readFile(join(folder, OWNER_FILE), "utf8")
    .then((text) => JSON.parse(text) as unknown)
    .catch(() => undefined);
  return isOwner(found) ? found : undefined;
}

function isOwner(value: unknown): value is Owner {
  return (
    isIdentity(value) &&
    "place" in value &&
    typeof value.place === "string" &&
    "others" in value &&
    Array.isArray(value.others) &&
    value.others.every((each) => typeof each === "string")
  );
}

function isSame(one: Owner | undefined, other: Owner): boolean {
  return one?.pid === other.pid && one.startTime === other.startTime && one.place === other.place;
}

/** Only where its pid means something can that be known. */
function isDead(owner: Owner, place: string): boolean {
  return owner.place === place && !isRunning(owner);
}

/** A folder of this user, not a link to one. */
async function isOurs(folder: string): Promise<boolean> {
  const found = await lstat(folder).catch(() => undefined);
  return found?.isDirectory() === true && found.uid === process.getuid?.();
}

/** Pids mean something only on this host and in this process namespace; a shared folder may be seen from several. */
async function placeOfPids(): Promise<string> {
  return `${hostname()} ${await readlink("/proc/self/ns/pid").catch(() => process.platform)}`;
}
