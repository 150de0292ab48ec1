/**
 * Does whoever started us want SIGHUP ignored (nohup, `trap '' HUP`)? Node puts every signal back to its default at its
 * start, so this can only be told from what is around us.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";

export interface HangupSigns {
  /** The program that a shell started last, as it says in `_`; nohup becomes its command and leaves it there. */
  startedBy: string | undefined;
  /** Standard input: nohup opens /dev/null for writing in the place of a terminal, so that reading fails. */
  input: { path: string; isOnlyWritten: boolean } | undefined;
  /** Signals that our parent ignores, as a mask: bit 0 is SIGHUP. */
  parentIgnores: bigint | undefined;
}

export function ignoresHangup({ startedBy, input, parentIgnores }: HangupSigns): boolean {
  if (basename(startedBy ?? "") === "nohup") return true;
  if (input?.path === "/dev/null" && input.isOnlyWritten) return true;
  return parentIgnores !== undefined && (parentIgnores & 1n) === 1n;
}

let known: boolean | undefined;

/** The same for the whole life of this process. */
export function isHangupIgnored(): boolean {
  known ??= ignoresHangup(signsOfThisProcess());
  return known;
}

function signsOfThisProcess(): HangupSigns {
  const path = readable(() => readlinkSync("/proc/self/fd/0"));
  const flags = fieldOf("/proc/self/fdinfo/0", /^flags:\s*([0-7]+)$/m, 8);
  return {
    startedBy: process.env["_"],
    // The last two bits are the access mode: 1 is O_WRONLY.
    input:
      path === undefined || flags === undefined ? undefined : { path, isOnlyWritten: (flags & 3n) === 1n },
    parentIgnores: fieldOf(`/proc/${process.ppid}/status`, /^SigIgn:\s*([0-9a-f]+)$/m, 16),
  };
}

/** A number in a file of the system; undefined on a system without it. */
function fieldOf(file: string, pattern: RegExp, base: 8 | 16): bigint | undefined {
  const digits = readable(() => readFileSync(file, "utf8"))?.match(pattern)?.[1];
  return digits === undefined ? undefined : BigInt(`${base === 8 ? "0o" : "0x"}${digits}`);
}

function readable(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
