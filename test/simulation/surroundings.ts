/**
 * What Node gives a process, as a simulated process finds it: timers and times are virtual, files lie on its own simulated
 * disk. Code that is handed its clock never notices; code that reaches past it is caught here, or the order of events would
 * depend on the machine. Only while a simulated process runs: everything else keeps the real ones.
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
  const undo = [...timers(process), ...times(process), ...files(process)];
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

/** What setTimeout answers. */
class VirtualTimer {
  readonly cancel: () => void;

  constructor(cancel: () => void) {
    this.cancel = cancel;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }
}

function timers(process: () => Surroundings | undefined): (() => void)[] {
  const real = globalThis as unknown as Record<string, Call>;
  const starts = (name: string, start: (clock: ProcessClock, run: () => void, ms: number) => () => void) => {
    const before = real[name] as Call;
    return replace(real, name, (run: unknown, ms: unknown, ...args: unknown[]) => {
      const owner = process();
      if (owner === undefined) return before(run, ms, ...args);
      return new VirtualTimer(start(owner.clock, () => (run as Call)(...args), Number(ms ?? 0)));
    });
  };
  const ends = (name: string) => {
    const before = real[name] as Call;
    return replace(real, name, (timer: unknown) => {
      if (timer instanceof VirtualTimer) timer.cancel();
      else before(timer);
    });
  };
  return [
    starts("setTimeout", (clock, run, ms) => clock.after(Math.max(1, ms), run)),
    starts("setInterval", (clock, run, ms) => clock.every(Math.max(1, ms), run)),
    starts("setImmediate", (clock, run) => clock.after(0, run)),
    ...["clearTimeout", "clearInterval", "clearImmediate"].map(ends),
  ];
}

function times(process: () => Surroundings | undefined): (() => void)[] {
  const [calendar, counter] = [Date.now, performance.now];
  return [
    replace(Date, "now", () => {
      const owner = process();
      return owner === undefined ? calendar.call(Date) : CALENDAR_MS + Math.floor(owner.clock.now());
    }),
    replace(performance, "now", () => process()?.clock.now() ?? counter.call(performance)),
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
