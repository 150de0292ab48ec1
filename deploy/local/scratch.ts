/**
 * The private folder of one local cluster (keys, the server's store), and what becomes of it when its owner is killed:
 * the guard of nats-server removes it, and where that was killed too, the next start does. A file in it names the owner
 * by pid and start time, and the place where that pid means something: nothing of a living process is ever taken away.
 */
import { lstat, mkdtemp, readFile, readdir, readlink, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { type ProcessIdentity, isIdentity, isRunning, processIdentity } from "./nats/store-lock.js";

const NAME = /^saf-[A-Za-z0-9]{6}$/;
const MEMORY = /^\/dev\/shm\/saf-[A-Za-z0-9]{6}$/;
const OWNER_FILE = "owner.json";

interface Owner extends ProcessIdentity {
  /** Host and process namespace. */
  place: string;
  /** Folder in shared memory that goes with it, if there is one. */
  memory?: unknown;
}

/** A fresh folder that only this user may enter, named as ours. */
export async function createScratch(memory: string | undefined): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "saf-"));
  const identity = processIdentity(process.pid);
  if (identity !== undefined) {
    const owner: Owner = { ...identity, place: await placeOfPids(), memory: memory ?? null };
    await writeFile(join(folder, OWNER_FILE), JSON.stringify(owner), { mode: 0o600 });
  }
  return folder;
}

/** Removes the folders in `parent` whose owner is dead. Returns their paths. What cannot be removed stays. */
export async function sweepScratch(parent: string = tmpdir()): Promise<string[]> {
  const place = await placeOfPids();
  const removed: string[] = [];
  for (const name of (await readdir(parent).catch(() => [])).filter((each) => NAME.test(each))) {
    const folder = join(parent, name);
    const owner = await abandonedBy(folder, place);
    if (owner === undefined) continue;
    try {
      if (typeof owner.memory === "string" && MEMORY.test(owner.memory) && (await isOurs(owner.memory)))
        await rm(owner.memory, { recursive: true, force: true });
      await rm(folder, { recursive: true, force: true });
      removed.push(folder);
    } catch {
      // Somebody else's by now, or being removed by another start.
    }
  }
  return removed;
}

function isOwner(value: unknown): value is Owner {
  return isIdentity(value) && "place" in value && typeof value.place === "string";
}

/** Its owner, if that is known to be dead. */
async function abandonedBy(folder: string, place: string): Promise<Owner | undefined> {
  if (!(await isOurs(folder))) return undefined;
  const owner = await readFile(join(folder, OWNER_FILE), "utf8")
    .then((text) => JSON.parse(text) as unknown)
    .catch(() => undefined);
  return isOwner(owner) && owner.place === place && !isRunning(owner) ? owner : undefined;
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
