/** What goes wrong in a simulated world, as data: a list of faults, each in a span of time, so that single ones can be left out. */

/** Which messages a fault of the network concerns. */
export type Traffic = "all" | "control" | "gradient" | "parameters" | "requests";

interface Span {
  fromMs: number;
  untilMs: number;
}

/** Each message is spoilt with this probability. `who`: a process, or "*" for all. */
export interface MessageFault extends Span {
  kind: "delay" | "drop" | "duplicate" | "reorder" | "corrupt";
  who: string;
  traffic: Traffic;
  probability: number;
  /** The longest delay of "delay" and "reorder". */
  maxMs: number;
}

export interface ProcessFault extends Span {
  /**
   * cut: its connections break, and it is told; silence: nothing reaches it or leaves it, and nobody is told; crash: it dies
   * and is started again at the end; freeze: it stands still; hang: its engine does.
   */
  kind: "cut" | "silence" | "crash" | "freeze" | "hang";
  who: string;
}

export interface WorldFault extends Span {
  who?: undefined;
  /** The broker dies and comes back; the coordinator's disk has no room. */
  kind: "broker" | "disk-full";
}

/** The clock of the coordinator's machine steps back by so much, and stays behind. */
export interface ClockFault extends Span {
  who?: undefined;
  kind: "clock";
  backMs: number;
}

/**
 * A second coordinator is started and, at the end, killed, its own worker with it. resume, evaluate: on the same directory,
 * with a pool of its own; pool: in the same pool, with a run of the same name and another seed in a directory of its own.
 */
export interface RivalFault extends Span {
  who?: undefined;
  kind: "rival";
  does: "resume" | "evaluate" | "pool";
  /** On another machine, which sees the same disk. */
  isRemote: boolean;
}

export type Fault = MessageFault | ProcessFault | WorldFault | ClockFault | RivalFault;
/** What is not done to single messages. */
export type Incident = Exclude<Fault, MessageFault>;
export type FaultKind = Fault["kind"];

export const MESSAGE_FAULTS = ["delay", "drop", "duplicate", "reorder", "corrupt"] as const;
export const PROCESS_FAULTS = ["cut", "silence", "crash", "freeze", "hang"] as const;
export const WORLD_FAULTS = ["broker", "disk-full"] as const;
export const FAULT_KINDS: readonly FaultKind[] = [
  ...MESSAGE_FAULTS,
  ...PROCESS_FAULTS,
  ...WORLD_FAULTS,
  "clock",
  "rival",
];

export function isMessageFault(fault: Fault): fault is MessageFault {
  return (MESSAGE_FAULTS as readonly string[]).includes(fault.kind);
}

/** "drop 30 % of gradient to and from worker-2, 1200 to 3400 ms". */
export function faultText(fault: Fault): string {
  const span = `${Math.round(fault.fromMs)} to ${Math.round(fault.untilMs)} ms`;
  if (fault.kind === "clock") return `clock back by ${Math.round(fault.backMs)} ms, ${span}`;
  if (fault.kind === "rival")
    return `rival: ${fault.does}${fault.isRemote ? " on another machine" : ""}, ${span}`;
  if (!isMessageFault(fault))
    return `${fault.kind}${fault.who === undefined ? "" : ` ${fault.who}`}, ${span}`;
  const { kind, probability, traffic, who, maxMs } = fault;
  const whose = who === "*" ? "" : ` to and from ${who}`;
  const upTo = kind === "delay" || kind === "reorder" ? `, up to ${Math.round(maxMs)} ms` : "";
  return `${kind} ${Math.round(100 * probability)} % of ${traffic}${whose}${upTo}, ${span}`;
}

/** How often each kind was injected. */
export class FaultCounts {
  readonly counts = new Map<FaultKind, number>();

  add(kind: FaultKind, by = 1): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + by);
  }
}
