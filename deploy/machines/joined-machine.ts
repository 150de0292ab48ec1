/** The workers of a machine that has joined a pool, as child processes. They wait for runs, one after another. */
import { join } from "node:path";
import type { Clock } from "../../shared/clock.js";
import type { EngineName } from "../../shared/engine.js";
import { ClusterError } from "../../shared/errors.js";
import { makeFolderSync } from "../../shared/io/folders.js";
import { workerArguments, workerProcessEnvironment } from "../local/command-lines.js";
import { Crew } from "../local/crew.js";
import { startProgram } from "../local/program.js";
import { type Scratch, createScratch, removeScratch, sweepScratch } from "../local/scratch.js";
import type { EnrolledMachine } from "./enrol.js";

export interface JoinedOptions {
  machine: EnrolledMachine;
  url: string;
  caFile: string;
  /** Private folder of this machine; logs go to its `logs`. */
  home: string;
  engine: EngineName;
  /** Variables of the worker processes: thread caps, library paths. */
  workerEnvironment: Record<string, string>;
  cacheDir: string;
  /** They end with the run that they serve. */
  once: boolean;
  clock: Clock;
  onNote: (message: string) => void;
}

/** Resolves when `signal` aborts and all have ended, or when all were sent away. Throws ClusterError when none is left. */
export async function serveOnMachine(options: JoinedOptions, signal: AbortSignal): Promise<void> {
  await sweepScratch();
  // With one worker there is nothing to share.
  const scratch = await createScratch(options.machine.workers.length > 1);
  try {
    await serveWith(options, scratch, signal);
  } finally {
    await removeScratch(scratch);
  }
}

async function serveWith(options: JoinedOptions, scratch: Scratch, signal: AbortSignal): Promise<void> {
  const { home, clock, onNote, machine } = options;
  const logs = join(home, "logs");
  makeFolderSync(logs);
  const ended = new AbortController();
  const seeds = new Map(machine.workers.map(({ name, seedFile }) => [name, seedFile]));
  const crew = new Crew({
    ...{ logs, clock, onNote, isUnwatched: true },
    start: (id) => startWorker(options, id, { seedFile: seeds.get(id) ?? "", hostMemory: scratch.memory }),
    onDeath: () => undefined,
    onNobodyLeft: (message, hint) => ended.abort(new ClusterError("dependency", message, { hint })),
  });
  for (const { name } of machine.workers) crew.add(name);
  const stop = new Promise<void>((resolve) => {
    for (const each of [signal, ended.signal]) {
      if (each.aborted) resolve();
      each.addEventListener("abort", () => resolve(), { once: true });
    }
  });
  await Promise.race([crew.settled(), stop]);
  await crew.stop();
  if (ended.signal.aborted && !signal.aborted) throw ended.signal.reason as ClusterError;
}

function startWorker(
  options: JoinedOptions,
  id: string,
  given: { seedFile: string; hostMemory: string | undefined },
): ReturnType<typeof startProgram> {
  const { machine, url, caFile, home, engine, cacheDir, workerEnvironment, once } = options;
  const logs = join(home, "logs");
  return startProgram({
    name: id,
    args: workerArguments(
      { ...given, url, caFile, pool: machine.pool, memory: undefined },
      { id, engine, cacheDir, logFile: join(logs, `${id}.jsonl`), stay: !once },
    ),
    environment: workerProcessEnvironment(process.env, workerEnvironment),
    logs,
  });
}
