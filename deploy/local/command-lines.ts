/** What the processes of a local cluster are started with. */
import type { PoolConfig } from "../../shared/config/pool.js";
import { EMULATED, type EngineName } from "../../shared/engine.js";

/** How a process reaches the others. */
export interface Connection {
  url: string;
  seedFile: string;
  /** Who signed the server's certificate; without it, nothing is encrypted. */
  caFile?: string | undefined;
  pool: string;
  /** Folder of the processes' rings; without it, bulk bytes go through NATS. */
  memory: string | undefined;
  /** The same of the workers that share none with the coordinator. */
  hostMemory?: string | undefined;
}

export interface CoordinatorSetting {
  pool: PoolConfig;
  /** Port of the live page; without it, a free one. */
  httpPort: number | undefined;
  /** Where the live page was before a restart: it is there again, for whoever looks at it. */
  page: string | undefined;
  /** Where a pool that outlives runs keeps the last term. */
  termFolder?: string | undefined;
  /** Arguments besides those that follow from the cluster. */
  others: readonly string[];
}

export function coordinatorArguments(
  connection: Connection,
  { pool, httpPort, page, termFolder, others }: CoordinatorSetting,
): string[] {
  return [
    ...["coordinator", ...connectionOptions(connection), "--dismiss-workers", ...memoryOptions(connection)],
    ...portOptions(httpPort, page),
    ...(termFolder === undefined ? [] : ["--term-folder", termFolder]),
    ...Object.entries(pool).flatMap(([key, value]) => ["--set", `pool.${key}=${value}`]),
    ...others,
  ];
}

export interface WorkerSetting {
  id: string;
  engine: EngineName;
  /** Of the emulated engine: time for a slot, as the pool's setting says it. */
  computeMs?: string | number | undefined;
  cacheDir: string;
  logFile: string;
  /** It waits for the next run when one is over. */
  stay?: boolean;
}

export function workerArguments(
  connection: Connection,
  { id, engine, computeMs, cacheDir, logFile, stay = false }: WorkerSetting,
): string[] {
  return [
    ...["worker", "--id", id, ...connectionOptions(connection), ...memoryOptions(connection)],
    ...(connection.hostMemory === undefined ? [] : ["--host-memory", connection.hostMemory]),
    ...["--engine", engine, "--cache-dir", cacheDir, "--log-file", logFile],
    ...(engine === EMULATED && computeMs !== undefined ? ["--compute-ms", String(computeMs)] : []),
    ...(stay ? ["--stay"] : []),
  ];
}

function connectionOptions({ url, seedFile, caFile, pool }: Connection): string[] {
  return [
    ...["--nats-url", url, "--creds-file", seedFile, "--pool", pool],
    ...(caFile === undefined ? [] : ["--nats-ca-file", caFile]),
  ];
}

function memoryOptions({ memory }: Connection): string[] {
  return memory === undefined ? [] : ["--shared-memory", memory];
}

function portOptions(httpPort: number | undefined, page: string | undefined): string[] {
  const port = page === undefined ? httpPort : Number(new URL(page).port);
  if (port === undefined || port === 0) return [];
  return ["--http-port", String(port), ...(page === undefined ? [] : ["--http-any-port"])];
}

/** What the user has set for a NATS of their own is not for the local one; the pool's settings are read already. */
export function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const isSetting = /^SAF_(NATS_(URL|CREDS_FILE|SEED_FILE|CA_FILE|CERT_FILE|KEY_FILE)|POOL_.+)$/;
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !isSetting.test(name)));
}

/** Of a worker process: thread caps and library paths of its engine. A port that was chosen is the live page's. */
export function workerProcessEnvironment(
  environment: NodeJS.ProcessEnv,
  ofEngine: Record<string, string>,
): NodeJS.ProcessEnv {
  return { ...withoutSettings(environment), ...ofEngine, SAF_HTTP_PORT: "0" };
}
