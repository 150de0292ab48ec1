/** CPU time and memory of other processes, from /proc: Linux only. */
import { readFileSync } from "node:fs";

/** Kernel ticks a second; fixed in Linux's interface to programs. */
const TICKS_PER_SECOND = 100;

export interface Usage {
  cpuSeconds: number;
  rssBytes: number;
}

/** Zero for a process that is gone. */
export function usageOf(pid: number | undefined): Usage {
  if (pid === undefined) return { cpuSeconds: 0, rssBytes: 0 };
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command's name may hold spaces; fields count from behind its bracket.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
      rssBytes: 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0),
    };
  } catch {
    return { cpuSeconds: 0, rssBytes: 0 };
  }
}
