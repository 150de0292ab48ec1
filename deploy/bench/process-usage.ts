/** CPU time and memory of other processes, from /proc: Linux only. */
import { readFileSync, readdirSync } from "node:fs";

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

export interface ThreadUsage {
  tid: number;
  /** It is the process's first one. */
  isMain: boolean;
  runSeconds: number;
  /** It could have run, and no core was free. */
  waitSeconds: number;
}

/** Every thread of a process, to the nanosecond; none for a process that is gone, or where the kernel does not count. */
export function threadsOf(pid: number | undefined): ThreadUsage[] {
  if (pid === undefined) return [];
  try {
    return readdirSync(`/proc/${pid}/task`).map((tid) => {
      const [run, wait] = readFileSync(`/proc/${pid}/task/${tid}/schedstat`, "utf8").split(" ").map(Number);
      return {
        tid: Number(tid),
        isMain: Number(tid) === pid,
        runSeconds: (run ?? 0) / 1e9,
        waitSeconds: (wait ?? 0) / 1e9,
      };
    });
  } catch {
    return [];
  }
}
