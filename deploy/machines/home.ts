/**
 * What a machine keeps of the pools it leads and has joined, below the user's state directory; only this user may enter.
 *
 * `pool/` of the machine that leads: `authority.crt`, `authority.key`, `server.crt`, `server.key`, `pool.json` (its port,
 * the token's end, the workers that are enrolled), `running.json` while it runs, `nats/` of its server, `run/` locked by
 * the run that uses it. `joined/<authority>/` of a machine that has joined: `authority.crt`, the seeds of its workers, logs.
 */
import { chmod, readFile, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";
import { ClusterError, codeIn } from "../../shared/errors.js";
import { makeFolder } from "../../shared/io/folders.js";
import { writeSecret } from "../credentials/secret-file.js";
import type { CertifiedKey } from "./certificates.js";

/** SAF_STATE_DIR, or where the XDG standard puts what outlives a program. */
export function stateDirectory(env: NodeJS.ProcessEnv): string {
  const { SAF_STATE_DIR: own, XDG_STATE_HOME: xdg } = env;
  if (own) return resolve(own);
  return xdg ? join(resolve(xdg), "saf") : join(homedir(), ".local", "state", "saf");
}

export const poolHome = (state: string): string => join(state, "pool");

/** Locked by the run that the pool serves. */
export const runFolder = (home: string): string => join(home, "run");

export function joinedHome(state: string, authority: Uint8Array): string {
  return join(state, "joined", Buffer.from(authority).toString("hex").slice(0, 16));
}

/** A folder that only this user may enter. */
export async function makePrivate(folder: string): Promise<void> {
  try {
    await makeFolder(folder, { mode: 0o700 });
    await chmod(folder, 0o700);
  } catch (cause) {
    throw new ClusterError("storage", `Cannot make the folder ${folder}: ${codeIn(cause) ?? String(cause)}`, {
      hint: "SAF_STATE_DIR names another place",
      cause,
    });
  }
}

const poolStateSchema = z.strictObject({
  version: z.literal(1),
  /** The port of the last time: a token stays good when the pool is started again. */
  port: z.int().min(1).max(65_535).optional(),
  /** ms since 1970 */
  token_expires: z.number().optional(),
  enrolled: z.array(z.strictObject({ name: z.string(), key: z.string() })),
});

export type PoolState = z.output<typeof poolStateSchema>;

/** Throws ClusterError("config") when the file is damaged. */
export async function readPoolState(home: string): Promise<PoolState> {
  const file = join(home, "pool.json");
  const text = await readOptional(file);
  if (text === undefined) return { version: 1, enrolled: [] };
  try {
    return poolStateSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ClusterError("config", `Cannot read ${file}: it is damaged`, {
      hint: "saf up --listen --fresh begins anew; whoever joined before must join again",
      cause,
    });
  }
}

export async function writePoolState(home: string, state: PoolState): Promise<void> {
  await writeSecret(join(home, "pool.json"), `${JSON.stringify(state, null, 1)}\n`);
}

const runningSchema = z.strictObject({
  pid: z.int(),
  start_time: z.string(),
  url: z.string(),
  queue: z.string().optional(),
});

/** Says where the pool of a living process is. */
export interface RunningPool {
  pid: number;
  startTime: string;
  /** Of the server, for the processes of this machine. */
  url: string;
  /** Folder of the queue whose coordinator leads it. */
  queue?: string | undefined;
}

export async function readRunning(home: string): Promise<RunningPool | undefined> {
  const text = await readOptional(join(home, "running.json"));
  if (text === undefined) return undefined;
  try {
    const { pid, start_time: startTime, url, queue } = runningSchema.parse(JSON.parse(text));
    return { pid, startTime, url, queue };
  } catch {
    return undefined;
  }
}

export async function writeRunning(home: string, running: RunningPool): Promise<void> {
  const { pid, startTime, url, queue } = running;
  await writeSecret(join(home, "running.json"), JSON.stringify({ pid, start_time: startTime, url, queue }));
}

/** The pool is led from this folder: a run of this machine is told so. */
export async function announceQueue(home: string, queue: string): Promise<void> {
  const running = await readRunning(home);
  if (running !== undefined) await writeRunning(home, { ...running, queue });
}

export async function forgetRunning(home: string): Promise<void> {
  await rm(join(home, "running.json"), { force: true });
}

/** Undefined where it is not there. */
export async function readCertified(home: string, name: string): Promise<CertifiedKey | undefined> {
  const [certificate, key] = await Promise.all([
    readOptional(join(home, `${name}.crt`)),
    readOptional(join(home, `${name}.key`)),
  ]);
  return certificate === undefined || key === undefined ? undefined : { certificate, key };
}

/** The key first: a certificate without one would look whole. */
export async function writeCertified(home: string, name: string, pair: CertifiedKey): Promise<void> {
  await writeSecret(join(home, `${name}.key`), pair.key);
  await writeSecret(join(home, `${name}.crt`), pair.certificate);
}

async function readOptional(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (codeIn(error) === "ENOENT") return undefined;
    throw error;
  }
}
