/** What `saf worker` does. */
import { hostname } from "node:os";
import { EMULATED } from "../../shared/engine.js";
import { ClusterError } from "../../shared/errors.js";
import { defaultCacheDir } from "../../shared/io/cache-directory.js";
import { checkNatsAccess } from "../../shared/io/nats-bus.js";
import { removeRings } from "../../shared/io/shared-memory-bus.js";
import { subjectsOf } from "../../shared/subjects.js";
import type { ConnectionOptions } from "./connection-options.js";
import { type WorkerEngine, engineForWorker, needsNewProcess } from "../setup/worker-engine.js";
import { warnOfVariables } from "./environment.js";
import { httpOptionsOf } from "./http-options.js";
import { natsAccessOf } from "./nats-options.js";
import { sameAgain } from "./same-again.js";
import { type Interruption, exitWithParent } from "./signals.js";
import { workerName } from "./worker-name.js";

export interface WorkerFlags extends ConnectionOptions {
  id?: string;
  engine?: string;
  computeMs?: string;
  hostMemory?: string;
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
  if (options.exitWithParent === true)
    exitWithParent(() => {
      removeRings(options.sharedMemory);
      removeRings(options.hostMemory);
      // An exit would wait for an engine in a native call, and one that hangs would outlive everybody.
      process.kill(process.pid, "SIGKILL");
    });
  await warnOfVariables(process.env, own);
  const id = workerName(options.id, process.env["JOB_COMPLETION_INDEX"], hostname());
  const nats = natsAccessOf(options);
  // What is wrong with the settings is said before an engine is looked for.
  checkNatsAccess(nats, id);
  subjectsOf(options.pool);
  const { engineNamed, runWorker } = await import("../../worker/main.js");
  const cacheDir = options.cacheDir ?? defaultCacheDir(process.env);
  const named = options.engine ? engineNamed(options.engine) : undefined;
  const choice = await chosenUntil(
    stop,
    engineForWorker(named, { cacheDir, env: process.env, progress: say }),
  );
  if (needsNewProcess(choice.environment, process.env)) {
    process.exitCode = await sameAgain(choice.environment);
    return;
  }
  Object.assign(process.env, choice.environment);
  await runWorker(
    {
      ...options,
      id,
      connectTimeoutMs: 1000 * options.natsTimeout,
      coordinatorTimeoutMs: 1000 * options.coordinatorTimeout,
      nats,
      engine: choice.engine,
      engineWhy: choice.why,
      computeMs: choice.engine === EMULATED ? await computeMsFor(id, options.computeMs) : 0,
      cacheDirectory: `${cacheDir}/parts`,
      http: httpOptionsOf(options),
    },
    stop.signal,
  );
  process.exitCode = stop.exitCode();
}

const say = (line: string): void => void process.stderr.write(`setup: ${line}\n`);

/** A signal that comes first ends the process: what was being fetched is left. */
async function chosenUntil(stop: Interruption, choice: Promise<WorkerEngine>): Promise<WorkerEngine> {
  const interrupted = new Promise<undefined>((resolve) => {
    if (stop.signal.aborted) resolve(undefined);
    stop.signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  const first = await Promise.race([choice, interrupted]);
  if (first === undefined) process.exit(stop.exitCode());
  return first;
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
