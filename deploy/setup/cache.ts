/**
 * The per-user cache of provisioned engines. Everything is made in a `.part-` folder and renamed into place, under a lock:
 * a kill at any instant leaves either the old state or the new one.
 *
 *     <cacheDir>/engine.json                what was chosen, and what must still be there for it to hold
 *     <cacheDir>/tensorflow-2.21.0/         deps/lib: the libraries; lib/napi-v8: the addon
 *     <cacheDir>/setup.lock                 held while somebody provisions
 */
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ClusterError, codeIn } from "../../shared/errors.js";
import { makeFolderSync } from "../../shared/io/folders.js";

export { defaultCacheDir } from "../../shared/io/cache-directory.js";

/** A holder that lives shows itself this often; one that has not for `STALE_MS` is gone. */
const HEARTBEAT_MS = 2000;
const STALE_MS = 20_000;
const POLL_MS = 100;

/** Runs `work` while no other process of this cache provisions; waits for one that does. */
export async function withSetupLock<T>(
  cacheDir: string,
  progress: (line: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  makeCacheDir(cacheDir);
  const lock = join(cacheDir, "setup.lock");
  let isAnnounced = false;
  while (!tryLock(lock)) {
    const holder = readHolder(lock);
    if (holder !== undefined && isGone(lock, holder)) {
      breakLock(lock, holder);
      continue;
    }
    if (!isAnnounced)
      progress(`another setup is at work (process ${holder?.pid ?? "unknown"}); waiting for it`);
    isAnnounced = true;
    await delay(POLL_MS);
  }
  const heartbeat = setInterval(() => touch(lock), HEARTBEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    rmSync(lock, { force: true });
  }
}

function makeCacheDir(cacheDir: string): void {
  try {
    makeFolderSync(cacheDir);
  } catch (error) {
    throw new ClusterError("storage", `Cannot create the cache directory ${cacheDir}: ${String(error)}`, {
      hint: "set SAF_CACHE_DIR to a directory that can be written",
      cause: error,
    });
  }
}

interface Holder {
  pid: number;
  host: string;
}

function tryLock(lock: string): boolean {
  try {
    writeFileSync(lock, JSON.stringify({ pid: process.pid, host: hostname() } satisfies Holder), {
      flag: "wx",
    });
    return true;
  } catch (error) {
    if (codeIn(error) === "EEXIST") return false;
    throw new ClusterError("storage", `Cannot write ${lock}: ${String(error)}`, {
      hint: "set SAF_CACHE_DIR to a directory that can be written",
      cause: error,
    });
  }
}

/** Undefined when the lock has just been released, or is not written yet. */
function readHolder(lock: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(lock, "utf8")) as Holder;
  } catch {
    return isOlderThan(lock, STALE_MS) ? { pid: 0, host: "" } : undefined;
  }
}

/** A process id says something only on its own machine; elsewhere (a shared volume) the heartbeat decides. */
function isGone(lock: string, holder: Holder): boolean {
  if (isOlderThan(lock, STALE_MS)) return true;
  if (holder.host !== hostname()) return false;
  try {
    process.kill(holder.pid, 0);
    return false;
  } catch (error) {
    return codeIn(error) === "ESRCH";
  }
}

/** Of two that see a dead holder, one takes its lock away; the other, who then took a living one's, gives it back. */
function breakLock(lock: string, holder: Holder): void {
  const aside = `${lock}.stale-${process.pid}`;
  try {
    renameSync(lock, aside);
    const taken = readHolder(aside);
    if (taken !== undefined && taken.pid !== holder.pid && !existsSync(lock)) renameSync(aside, lock);
    else rmSync(aside, { force: true });
  } catch {
    // Somebody else was first.
  }
}

function isOlderThan(file: string, ageMs: number): boolean {
  try {
    return Date.now() - statSync(file).mtimeMs > ageMs;
  } catch {
    return false;
  }
}

function touch(file: string): void {
  const now = new Date();
  try {
    utimesSync(file, now, now);
  } catch {
    // The cache was removed under us; whoever did that meant it.
  }
}

/** A new folder beside the entries; what is left in it is removed by the next setup. Needs the lock. */
export function makePartFolder(cacheDir: string): string {
  return mkdtempSync(join(cacheDir, ".part-"));
}

/** Removes what killed setups left half-made. Needs the lock. */
export function removeLeftovers(cacheDir: string): void {
  for (const name of readdirSync(cacheDir)) {
    if (name.startsWith(".part-")) rmSync(join(cacheDir, name), { recursive: true, force: true });
  }
}

/** Moves a finished folder to its place; what stood there, incomplete or older, goes into `part`, to be removed with it. */
export function publish(finished: string, place: string, part: string): void {
  if (existsSync(place)) renameSync(place, join(part, "replaced"));
  renameSync(finished, place);
}

/** Written aside and renamed: a reader sees the old record or the new one. */
export function writeRecord(cacheDir: string, record: unknown): void {
  const file = join(cacheDir, "engine.json");
  writeFileSync(`${file}.${process.pid}`, `${JSON.stringify(record, null, 2)}\n`);
  renameSync(`${file}.${process.pid}`, file);
}

/** Undefined when there is none or it cannot be read. */
export function readRecord(cacheDir: string): unknown {
  try {
    return JSON.parse(readFileSync(join(cacheDir, "engine.json"), "utf8"));
  } catch {
    return undefined;
  }
}
