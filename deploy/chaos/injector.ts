/** Carries faults out, one after another as the schedule says; what comes when is decided there. */
import { type Clock, pause } from "../../shared/clock.js";
import { wordsOf } from "../../shared/errors.js";
import type { LocalCluster } from "../local/cluster.js";
import type { Injected } from "./core/recovery.js";
import { COORDINATOR, type Fault, NATS_SERVER, takesMessages } from "./core/schedule.js";
import type { Links } from "./link-proxy.js";
import type { SmallDisk } from "./small-disk.js";

export interface Surroundings {
  cluster: Pick<LocalCluster, "natsPid" | "coordinatorPid" | "workerPid">;
  links: Links;
  disk: SmallDisk | undefined;
  clock: Clock;
  /** Resolves when so many steps are committed. */
  reached: (step: number) => Promise<void>;
  /** The run is over: what still lasts ends. */
  over: AbortSignal;
  onInjected: (fault: Fault) => void;
}

/** Resolves when the last fault is over, or the run is. Times are the clock's. */
export async function injectAll(faults: readonly Fault[], world: Surroundings): Promise<Injected[]> {
  const { over, clock } = world;
  const ended = new Promise<void>((resolve) => {
    if (over.aborted) resolve();
    else over.addEventListener("abort", () => resolve(), { once: true });
  });
  const going: Promise<Injected>[] = [];
  for (const fault of faults) {
    await Promise.race([world.reached(fault.atStep), ended]);
    await pause(clock, fault.phaseMs, over);
    if (over.aborted) break;
    world.onInjected(fault);
    going.push(inject(fault, world));
  }
  return Promise.all(going);
}

async function inject(fault: Fault, world: Surroundings): Promise<Injected> {
  const atMs = world.clock.now();
  let missed = "";
  try {
    missed = (await carryOut(fault, world)) ?? "";
  } catch (error) {
    missed = wordsOf(error);
  }
  return { fault, atMs, endMs: world.clock.now(), missed };
}

/** Resolves when it is over, to the reason where it came to nothing. */
async function carryOut(fault: Fault, world: Surroundings): Promise<string | undefined> {
  const { kind, target, lastsMs, messages } = fault;
  const { clock, over, links, disk } = world;
  if (kind === "kill") return signalled(pidOf(target, world), "SIGKILL");
  if (kind === "stall") {
    const pid = pidOf(target, world);
    const missed = signalled(pid, "SIGSTOP");
    if (missed !== undefined) return missed;
    await pause(clock, lastsMs, over);
    // Whoever killed it meanwhile has ended the stall.
    signalled(pid, "SIGCONT");
    return undefined;
  }
  if (kind === "disk-full") {
    await disk?.fill();
    await pause(clock, lastsMs, over);
    await disk?.free();
    return undefined;
  }
  const link = links.of(target);
  if (takesMessages(kind)) await link.take(kind, messages, over);
  else if (kind === "break") link.break();
  else {
    link.cut();
    await pause(clock, lastsMs, over);
    link.mend();
  }
  return undefined;
}

function pidOf(target: string, { cluster }: Surroundings): number | undefined {
  if (target === COORDINATOR) return cluster.coordinatorPid;
  return target === NATS_SERVER ? cluster.natsPid : cluster.workerPid(target);
}

/** Undefined when the process got it. */
function signalled(pid: number | undefined, signal: NodeJS.Signals): string | undefined {
  try {
    if (pid === undefined || pid === 0) return "it was not started";
    process.kill(pid, signal);
    return undefined;
  } catch {
    return "it was down at that moment";
  }
}
