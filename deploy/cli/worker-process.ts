/** What `saf worker` does. */
import { hostname } from "node:os";
import { EMULATED } from "../../shared/engine.js";
import { ClusterError } from "../../shared/errors.js";
import { defaultCacheDir } from "../../shared/io/cache-directory.js";
import { removeRings } from "../../shared/io/shared-memory-bus.js";
import type { ConnectionOptions } from "./connection-options.js";
import { warnOfVariables } from "./environment.js";
import { httpOptionsOf } from "./http-options.js";
import { natsAccessOf } from "./nats-options.js";
import { type Interruption, exitWithParent } from "./signals.js";
import { workerName } from "./worker-name.js";

export interface WorkerFlags extends ConnectionOptions {
  id?: string;
  engine: string;
  computeMs?: string;
  cacheDir?: string;
  coordinatorTimeout: number;
  stay?: true;
}

/** `own`: variables that its options read. */
export async function serveAsWorker(
  options: WorkerFlags,
  own: readonly (string | undefined)[],
  stop: Interruption,
): Promise<void> {
  if (options.exitWithParent === true) exitWithParent(() => removeRings(options.sharedMemory));
  await warnOfVariables(process.env, own);
  const id = workerName(options.id, process.env["JOB_COMPLETION_INDEX"], hostname());
  const { engineNamed, runWorker } = await import("../../worker/main.js");
  const engine = engineNamed(options.engine || "wasm");
  const cacheDirectory = `${options.cacheDir ?? defaultCacheDir(process.env)}/parts`;
  await runWorker(
    {
      ...options,
      id,
      connectTimeoutMs: 1000 * options.natsTimeout,
      coordinatorTimeoutMs: 1000 * options.coordinatorTimeout,
      nats: natsAccessOf(options),
      engine,
      computeMs: engine === EMULATED ? await computeMsFor(id, options.computeMs) : 0,
      cacheDirectory,
      http: httpOptionsOf(options),
    },
    stop.signal,
  );
  process.exitCode = stop.exitCode();
}

/** Throws ClusterError("usage"). */
async function computeMsFor(id: string, said: string | undefined): Promise<number> {
  // The schema takes a while to load.
  const { computeMsOf, poolSchema } = await import("../../shared/config/pool.js");
  const computeMs = computeMsOf(said || poolSchema.parse({}).compute_ms, id);
  if (computeMs !== undefined) return computeMs;
  throw new ClusterError("usage", `Cannot read --compute-ms "${said}"`, {
    hint: "milliseconds, for one worker behind its name: 50, or worker-1=250,50",
  });
}
