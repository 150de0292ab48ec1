/** Which engine a worker takes that was started by hand, and what its process needs for it. */
import type { EngineName } from "../../shared/engine.js";
import { provisionEngine, recordedEngine } from "./engine.js";

export interface WorkerEngine {
  engine: EngineName;
  /** Variables that its library needs besides those that every engine gets. */
  environment: Record<string, string>;
  /** Who chose it, in words. */
  why: string;
}

/**
 * The one that was named; else the one that `saf setup` chose; else the best that this machine can run, as `saf setup`
 * finds it. Never a worse one in silence: two machines are to compute the same bits. Throws ClusterError("dependency").
 */
export async function engineForWorker(
  named: EngineName | undefined,
  { cacheDir, env, progress }: { cacheDir: string; env: NodeJS.ProcessEnv; progress: (line: string) => void },
): Promise<WorkerEngine> {
  const chosen = recordedEngine(cacheDir, env);
  if (named !== undefined) {
    const environment = chosen?.engine === named ? chosen.environment : {};
    return { engine: named, environment, why: "named by --engine or SAF_ENGINE" };
  }
  if (chosen !== undefined) return { ...chosen, why: "chosen by saf setup" };
  const { engine, environment, why } = await provisionEngine({ cacheDir, env, progress });
  return { engine, environment, why: ["the best that this machine can run", ...why].join("; ") };
}

/** The loader reads it when a process starts, and never again. */
const READ_AT_THE_START = ["LD_LIBRARY_PATH"];

/** Must the process be started again for these variables to count? */
export function needsNewProcess(environment: Record<string, string>, env: NodeJS.ProcessEnv): boolean {
  return READ_AT_THE_START.some((name) => name in environment && environment[name] !== env[name]);
}
