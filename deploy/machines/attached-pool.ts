/** The pool that `saf up` leads on this machine, for one run at a time. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../shared/clock.js";
import { ClusterError } from "../../shared/errors.js";
import type { OpenPool } from "../local/cluster.js";
import { credentialsIn } from "../local/nats/server-files.js";
import { type LockContent, isRunning, lockStore } from "../local/nats/store-lock.js";
import { makePrivate, readRunning, runFolder } from "./home.js";

/** Undefined when there is none. */
export async function attachPool(home: string): Promise<OpenPool | undefined> {
  const running = await readRunning(home);
  if (running === undefined || !isRunning(running)) return undefined;
  const directory = join(home, "nats");
  return {
    server: {
      url: running.url,
      credentials: {
        coordinator: credentialsIn(directory, "coordinator"),
        observer: credentialsIn(directory, "observer"),
        submitter: credentialsIn(directory, "submitter"),
        worker: (id) => {
          const found = credentialsIn(directory, id);
          if (existsSync(found.seedFile)) return found;
          throw tooMany(id);
        },
      },
    },
    caFile: join(home, "authority.crt"),
    folder: runFolder(home),
  };
}

/** A pool serves one run of this machine at a time. Returns what lets the next one in. Throws ClusterError("dependency"). */
export async function takePool(home: string, clock: Clock): Promise<() => void> {
  const folder = runFolder(home);
  await makePrivate(folder);
  const queue = (await readRunning(home))?.queue;
  const inUse = queue === undefined ? runInUse : (): ClusterError => queueLeads(queue);
  const lock = await lockStore(folder, { clock, serverWaitMs: 0, inUse });
  return () => lock.release();
}

function runInUse(_: string, { owner }: LockContent): ClusterError {
  return new ClusterError("dependency", `The pool of this machine serves another run: process ${owner.pid}`, {
    hint: "wait for its end, or say --alone: the run then has this machine's workers only",
  });
}

function queueLeads(folder: string): ClusterError {
  return new ClusterError("dependency", `The pool of this machine is led by saf up --queue, in ${folder}`, {
    hint: "hand the work to it: saf submit FILE; or say --alone: the run then has this machine's workers only",
  });
}

function tooMany(id: string): ClusterError {
  return new ClusterError(
    "usage",
    `The pool of saf up has no key for ${id}: so many workers of this machine cannot serve it`,
    { hint: "say --alone, or fewer --workers" },
  );
}
