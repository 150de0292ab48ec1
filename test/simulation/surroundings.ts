/**
 * What Node gives a process, as a simulated process finds it: files lie on its own simulated disk; timers, times and chance
 * are refused, for all code is handed its clock and its random numbers, and the order of events would depend on the machine.
 * Only while a simulated process runs: everything else keeps the real ones.
 */
import realFiles from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import type { DiskFiles } from "./disk-files.js";
import type { Owner, ProcessClock, Scheduler } from "./scheduler.js";

/** A process, with what it is given. */
export interface Surroundings extends Owner {
  readonly clock: ProcessClock;
  readonly files: DiskFiles;
}

const FILE_CALLS = [
  ...["mkdir", "open", "readFile", "writeFile", "truncate", "rename", "symlink", "readlink", "rm", "unlink"],
  ...["readdir", "stat", "lstat", "access"],
] as const;

type Call = (...args: unknown[]) => unknown;

/** Where all paths of simulated disks begin. */
export const DISK_ROOT = "/simulated";

/** 2026-11-22T00:00:00Z: the virtual time 0 by the calendar. */
export const CALENDAR_MS = Date.UTC(2026, 10, 22);

/** Which disk is read and written: that of the process that runs now. Returns what puts the real things back. */
export function surround(scheduler: Scheduler): () => void {
  const process = (): Surroundings | undefined => {
    const owner = scheduler.current;
    return owner !== undefined && "files" in owner ? (owner as Surroundings) : undefined;
  };
  const undo = [...times(scheduler, process), ...files(process)];
  syncBuiltinESMExports();
  return () => {
    for (const put of undo.reverse()) put();
    syncBuiltinESMExports();
  };
}

/** Replaces a property; returns what puts the old one back. */
function replace<Holder extends object, Name extends keyof Holder>(
  holder: Holder,
  name: Name,
  value: Holder[Name],
): () => void {
  const before = holder[name];
  holder[name] = value;
  return () => {
    holder[name] = before;
  };
}

const TIMERS = ["setTimeout", "setInterval", "setImmediate"] as const;

/** A process has its clock: code that asks Node for the time, or to be woken, could not run ahead of the wall clock. */
function times(scheduler: Scheduler, process: () => Surroundings | undefined): (() => void)[] {
  const refused = <Holder extends object>(holder: Holder, name: keyof Holder & string): (() => void) => {
    const before = holder[name] as Call;
    const call = (...args: unknown[]): unknown => {
      const owner = process();
      if (owner === undefined) return before.apply(holder, args);
      const error = new Error(`${owner.name} called ${name}, and not its clock`);
      // Whoever called may catch what is thrown.
      scheduler.onError(error, owner);
      throw error;
    };
    return replace(holder, name, call as Holder[typeof name]);
  };
  return [
    ...TIMERS.map((name) => refused(globalThis, name)),
    refused(Date, "now"),
    refused(performance, "now"),
    refused(Math, "random"),
  ];
}

function files(process: () => Surroundings | undefined): (() => void)[] {
  const real = realFiles as unknown as Record<string, Call>;
  return FILE_CALLS.map((name) => {
    const before = real[name] as Call;
    return replace(real, name, (...args: unknown[]) => {
      const owner = process();
      if (owner === undefined) return before.apply(realFiles, args);
      if (!String(args[0]).startsWith(DISK_ROOT) && name !== "symlink")
        throw new Error(
          `Process ${owner.name} called ${name} on ${String(args[0])}, which is no simulated disk`,
        );
      return (owner.files[name] as Call)(...args);
    });
  });
}
