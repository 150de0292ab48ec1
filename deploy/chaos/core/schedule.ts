/** Which faults come when, and to whom: a pure function of the seed. What carries them out decides nothing. */
import { RandomStream, permutation } from "../../../shared/random.js";

/**
 * - `kill`: SIGKILL of a process; whoever keeps it starts it again.
 * - `stall`: SIGSTOP, and SIGCONT after a while.
 * - `cut`: no byte passes between a process and NATS, and nobody is told; afterwards the bytes go on where they were.
 * - `break`: the connections of a process to NATS break at once.
 * - `drop`, `duplicate`: messages of a process, or to it, are lost, or come twice.
 * - `corrupt`: a bit of the values in a chunk changes on its way.
 * - `disk-full`: nothing can be written into the run directory for a while.
 */
export const FAULT_KINDS = [
  "kill",
  "stall",
  "cut",
  "break",
  "drop",
  "duplicate",
  "corrupt",
  "disk-full",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export const COORDINATOR = "coordinator";
export const NATS_SERVER = "nats-server";
export const RUN_DIRECTORY = "run directory";

export interface Fault {
  kind: FaultKind;
  /** A process, or the run directory. */
  target: string;
  /** It comes when so many steps are committed, */
  atStep: number;
  /** and so much later, so that it finds every phase of a step. */
  phaseMs: number;
  /** 0 where it is over at once. */
  lastsMs: number;
  /** Messages that it takes; 0 where it takes none. */
  messages: number;
}

export interface ScheduleSetting {
  seed: number;
  faults: number;
  /** Kinds to draw from. */
  kinds: readonly FaultKind[];
  workers: readonly string[];
  /** Steps of the whole run. */
  steps: number;
  longestMs: number;
}

/** No fault comes later, as a share of the steps: the last ones show whether all is well again. */
const LAST_SHARE = 0.85;
const MOST_PHASE_MS = 200;
const SHORTEST_MS = 100;
const MOST_MESSAGES = 20;
/** A process that dies again and again without success is given up for a while, and rightly. */
const MOST_KILLS = 4;

/** In the order in which they come. Every kind comes before one comes twice. */
export function drawSchedule(setting: ScheduleSetting): Fault[] {
  const { seed, kinds, steps } = setting;
  if (kinds.length === 0) return [];
  const draws = new RandomStream(seed, "chaos");
  const kills = new Map<string, number>();
  const last = Math.max(1, Math.floor(LAST_SHARE * steps));
  const faults: Fault[] = [];
  for (let round: FaultKind[] = []; faults.length < setting.faults;) {
    if (round.length === 0) round = [...permutation(kinds.length, draws)].map((i) => kinds[i] as FaultKind);
    const fault = faultOf(round.pop() as FaultKind, 1 + draws.below(last), setting, draws);
    faults.push(spared(fault, kills, setting));
  }
  return faults.sort((a, b) => a.atStep - b.atStep || a.phaseMs - b.phaseMs);
}

function faultOf(
  kind: FaultKind,
  atStep: number,
  { workers, longestMs }: ScheduleSetting,
  draws: RandomStream,
): Fault {
  const target = targetOf(kind, workers, draws);
  const phaseMs = draws.below(MOST_PHASE_MS);
  // As many short ones as long ones, on a scale of ratios.
  const lasting = Math.round(SHORTEST_MS * (longestMs / SHORTEST_MS) ** draws.uniform());
  const messages = 1 + draws.below(MOST_MESSAGES);
  return {
    ...{ kind, target, atStep, phaseMs },
    lastsMs: isLasting(kind) ? lasting : 0,
    messages: takesMessages(kind) ? messages : 0,
  };
}

/** Coordinator and nats-server as often as all workers together. */
function targetOf(kind: FaultKind, workers: readonly string[], draws: RandomStream): string {
  if (kind === "disk-full") return RUN_DIRECTORY;
  const one = workers[draws.below(workers.length)] as string;
  const others = kind === "kill" || kind === "stall" ? [COORDINATOR, NATS_SERVER] : [COORDINATOR];
  return [one, ...others][draws.below(1 + others.length)] as string;
}

function isLasting(kind: FaultKind): boolean {
  return kind === "stall" || kind === "cut" || kind === "disk-full";
}

export function takesMessages(kind: FaultKind): kind is "drop" | "duplicate" | "corrupt" {
  return kind === "drop" || kind === "duplicate" || kind === "corrupt";
}

/** A process that was killed often enough is left alone for the one that was killed least. */
function spared(fault: Fault, kills: Map<string, number>, { workers }: ScheduleSetting): Fault {
  if (fault.kind !== "kill") return fault;
  const killsOf = (name: string): number => kills.get(name) ?? 0;
  const rarest = [...workers, COORDINATOR, NATS_SERVER].sort((a, b) => killsOf(a) - killsOf(b))[0] as string;
  const target = killsOf(fault.target) < MOST_KILLS ? fault.target : rarest;
  if (killsOf(target) >= MOST_KILLS) return { ...fault, kind: "break", target: COORDINATOR };
  kills.set(target, killsOf(target) + 1);
  return { ...fault, target };
}
