/** Where saf keeps what it fetched, for this user. */
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** SAF_CACHE_DIR, else `saf` in XDG_CACHE_HOME, else in ~/.cache. */
export function defaultCacheDir(env: NodeJS.ProcessEnv): string {
  if (env["SAF_CACHE_DIR"]) return resolve(env["SAF_CACHE_DIR"]);
  return join(env["XDG_CACHE_HOME"] || join(env["HOME"] || homedir(), ".cache"), "saf");
}
