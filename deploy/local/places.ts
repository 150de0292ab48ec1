/** What a start stands on, looked at before anything is begun: so that what is missing is named, and nothing left behind. */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClusterError, codeIn, hintOf, wordsOf } from "../../shared/errors.js";

/** Loading our own modules takes about 100 at a time; nats-server needs one for each connection. */
const LEAST_OPEN_FILES = 256;

/** Throws ClusterError("dependency") where this process may open fewer files than it needs, if the system tells. */
export function checkOpenFiles(limits: string | undefined = limitsOfThisProcess()): void {
  const allowed = Number(limits?.match(/^Max open files\s+(\d+)/m)?.[1] ?? Infinity);
  if (allowed >= LEAST_OPEN_FILES) return;
  throw new ClusterError(
    "dependency",
    `This process may open ${allowed} files, and saf needs ${LEAST_OPEN_FILES}`,
    {
      hint: `raise the limit: ulimit -n ${LEAST_OPEN_FILES}`,
    },
  );
}

function limitsOfThisProcess(): string | undefined {
  try {
    return readFileSync("/proc/self/limits", "utf8");
  } catch {
    return undefined;
  }
}

/** Throws ClusterError("usage") where the folder in which we were started is gone: no path could be read. */
export function checkWorkingFolder(): void {
  try {
    process.cwd();
  } catch (cause) {
    throw new ClusterError("usage", "The folder in which saf was started is gone", {
      hint: "change to one that is there",
      cause,
    });
  }
}

/** A fresh private folder for what lives as long as we do. Throws ClusterError("storage") naming the place. */
export async function temporaryFolder(prefix: string): Promise<string> {
  try {
    return await mkdtemp(join(tmpdir(), prefix));
  } catch (cause) {
    const code = codeIn(cause);
    const isNoFolder = code === "ENOENT" || code === "ENOTDIR";
    const why = isNoFolder ? "it is no folder" : wordsOf(cause);
    const hint = isNoFolder ? "make it, or set TMPDIR to a folder that is there" : hintOf(cause);
    throw new ClusterError("storage", `Cannot make a temporary folder in ${tmpdir()}: ${why}`, {
      cause,
      hint: hint ?? "set TMPDIR to a folder that can be written",
    });
  }
}

/** Can there be one? */
export async function checkTemporary(): Promise<void> {
  await rm(await temporaryFolder("saf-try-"), { recursive: true, force: true });
}
