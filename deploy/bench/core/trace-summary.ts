/** What a trace of synchronous steps says: how long each part takes in a step, and on whom the step waits. */
import { at } from "../../../shared/core/at.js";
import type { CompleteEvent, TraceDocument, TraceEvent } from "../../../shared/trace-events.js";
import { summarise } from "./statistics.js";

/** One part of the work of a process, summed over a step. */
export interface PhaseTime {
  process: string;
  lane: string;
  part: string;
  /** Median over the steps, and how often it happens in one. */
  us: number;
  times: number;
}

/** A stretch of the way from a step's first lease to the next one's, by the worker whose block is complete last. */
export interface ChainLink {
  link: string;
  us: number;
}

export interface TraceSummary {
  steps: number;
  /** From the first lease of a step to that of the next. */
  step_us: number;
  chain: ChainLink[];
  phases: PhaseTime[];
}

interface NamedEvent extends CompleteEvent {
  process: string;
  lane: string;
}

interface Window {
  step: NamedEvent;
  /** Where the next step begins. */
  until: number;
  events: NamedEvent[];
}

/** Lines of all files of a trace, as one document that begins at 0. */
export function documentOf(lines: readonly string[]): TraceDocument {
  const events = lines.filter((line) => line !== "").map((line) => JSON.parse(line) as TraceEvent);
  const first = events.reduce(
    (least, event) => (event.ph === "X" ? Math.min(least, event.ts) : least),
    Infinity,
  );
  const names = events.filter(({ ph }) => ph === "M");
  const parts = events
    .flatMap((event) => (event.ph === "X" ? [{ ...event, ts: rounded(event.ts - first) }] : []))
    .sort((a, b) => a.ts - b.ts);
  return { displayTimeUnit: "ms", traceEvents: [...names, ...parts] };
}

const rounded = (us: number): number => Math.round(10 * us) / 10;

/** `skip`: steps at the beginning that are not counted. Without two steps behind them all is empty. */
export function summaryOf({ traceEvents }: TraceDocument, skip: number): TraceSummary {
  const windows = windowsOf(named(traceEvents)).slice(skip);
  return {
    steps: windows.length,
    step_us: median(windows.map(({ step, until }) => until - step.ts)),
    chain: chainOf(windows),
    phases: phasesOf(windows),
  };
}

const median = (values: readonly number[]): number => (values.length === 0 ? 0 : summarise(values).median);

function named(events: readonly TraceEvent[]): NamedEvent[] {
  const processes = new Map<number, string>();
  const lanes = new Map<string, string>();
  for (const event of events) {
    if (event.ph !== "M") continue;
    if (event.name === "process_name") processes.set(event.pid, event.args.name);
    else lanes.set(`${event.pid} ${event.tid}`, event.args.name);
  }
  return events.flatMap((event) =>
    event.ph === "X"
      ? [
          {
            ...event,
            process: processes.get(event.pid) ?? String(event.pid),
            lane: lanes.get(`${event.pid} ${event.tid}`) ?? String(event.tid),
          },
        ]
      : [],
  );
}

/** A step's events are those that begin in it; the last step has no end, and is left out. */
function windowsOf(events: readonly NamedEvent[]): Window[] {
  const steps = events.filter(({ name, lane }) => name === "step" && lane === "steps");
  const windows = steps
    .slice(0, -1)
    .map((step, i): Window => ({ step, until: at(steps, i + 1).ts, events: [] }));
  let current = 0;
  for (const event of events) {
    while (current < windows.length && at(windows, current).until <= event.ts) current++;
    const window = windows[current];
    if (window !== undefined && event.ts >= window.step.ts) window.events.push(event);
  }
  return windows;
}

function phasesOf(windows: readonly Window[]): PhaseTime[] {
  const sums = new Map<string, { us: number; times: number }[]>();
  windows.forEach(({ events }, i) => {
    for (const { process, lane, name, dur } of events) {
      const key = JSON.stringify([process, lane, name]);
      const known = sums.get(key) ?? windows.map(() => ({ us: 0, times: 0 }));
      const sum = at(known, i);
      sum.us += dur;
      sum.times++;
      sums.set(key, known);
    }
  });
  return [...sums]
    .map(([key, all]): PhaseTime => {
      const [process, lane, part] = JSON.parse(key) as [string, string, string];
      const [us, times] = [median(all.map((sum) => sum.us)), median(all.map((sum) => sum.times))];
      return { process, lane, part, us, times };
    })
    .filter(({ times }) => times > 0)
    .sort((a, b) => compare(a.process, b.process) || compare(a.lane, b.lane) || b.us - a.us);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const LINKS = [
  "lease on its way to the last worker",
  "it waits for parameters",
  "order on its way to its engine",
  "its engine computes",
  "gradient on its way and summed",
  "commit",
  "until the next step's first lease",
] as const;

/** Links add up to the step, window by window; medians of them nearly do. */
function chainOf(windows: readonly Window[]): ChainLink[] {
  const all = windows.flatMap((window) => {
    const moments = momentsOf(window);
    return moments === undefined ? [] : [moments];
  });
  if (all.length === 0) return [];
  return LINKS.map((link, i) => ({
    link,
    us: median(all.map((moments) => at(moments, i + 1) - at(moments, i))),
  }));
}

/** When each link begins, and when the last one ends; undefined where the trace does not hold the whole step. */
function momentsOf({ step, until, events }: Window): number[] | undefined {
  const leases = events.filter(({ name, lane }) => name === "lease" && lane.startsWith("leases of "));
  const lease = leases.reduce<NamedEvent | undefined>(
    (last, one) => (last === undefined || endOf(one) > endOf(last) ? one : last),
    undefined,
  );
  if (lease === undefined) return undefined;
  const worker = lease.lane.slice("leases of ".length);
  const own = events.filter(({ process, ts }) => process === worker && ts >= lease.ts);
  const wait = own.find(({ name }) => name === "wait");
  const block = own.find(({ name }) => name === "block");
  if (wait === undefined || block === undefined) return undefined;
  return [step.ts, wait.ts, endOf(wait), block.ts, endOf(block), endOf(lease), endOf(step), until];
}

const endOf = ({ ts, dur }: CompleteEvent): number => ts + dur;
