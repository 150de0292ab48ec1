/** From what was injected and when steps were committed to the times that recovery took. */
import type { Fault, FaultKind } from "./schedule.js";

/** Times in milliseconds since the processes were started. */
export interface Injected {
  fault: Fault;
  atMs: number;
  /** When it was over: the process went on, the link was mended, all its messages were taken. */
  endMs: number;
  /** Why it came to nothing; empty where it did not. */
  missed: string;
}

export interface Recovery extends Injected {
  /** From the fault to the next commit; undefined when none followed. */
  commitMs: number | undefined;
  /** From its end to the next commit. */
  afterEndMs: number | undefined;
}

/** `commits`: when steps were committed, rising. */
export function recoveries(injected: readonly Injected[], commits: readonly number[]): Recovery[] {
  const waitFrom = (ms: number): number | undefined => {
    const next = commits.find((atMs) => atMs > ms);
    return next === undefined ? undefined : next - ms;
  };
  return injected.map((one) => ({
    ...one,
    commitMs: waitFrom(one.atMs),
    afterEndMs: waitFrom(one.endMs),
  }));
}

export interface KindSummary {
  kind: FaultKind;
  count: number;
  /** To the next commit, from the end of the fault. */
  medianMs: number;
  worstMs: number;
}

/** One row a kind, in the order in which they came first. Faults that came to nothing are left out. */
export function summaries(found: readonly Recovery[]): KindSummary[] {
  const counted = found.filter(({ missed }) => missed === "");
  const kinds = [...new Set(counted.map(({ fault }) => fault.kind))];
  return kinds.map((kind) => {
    const times = counted
      .filter(({ fault }) => fault.kind === kind)
      .map(({ afterEndMs }) => afterEndMs ?? Infinity)
      .sort((a, b) => a - b);
    return { kind, count: times.length, medianMs: medianOf(times), worstMs: times.at(-1) ?? NaN };
  });
}

/** Of times that rise. */
export function medianOf(sorted: readonly number[]): number {
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? NaN) + upper) / 2;
}
