/** Files whose content may change while a process runs: mounted secrets that are rotated. */
import { at } from "../core/at.js";
import { readFile } from "node:fs/promises";
import { ClusterError } from "../errors.js";

export interface ReloadedFiles {
  stop(): void;
}

export interface WatchOptions<Files extends readonly string[]> {
  files: readonly [...Files];
  /** What names them, for whoever has to put it right. */
  setting: string;
  everyMs: number;
  /** Called with the contents at first and whenever one of them changes. Throws when they are of no use. */
  apply: (contents: { [Key in keyof Files]: Buffer }) => void;
  log: (level: "info" | "warn", message: string) => void;
}

/**
 * Contents are compared, not times: a mounted secret changes by a link that points elsewhere. New contents that are of
 * no use are said once, and the old ones stay in force. Throws ClusterError("config") for the first ones.
 */
export async function watchFiles<Files extends readonly string[]>({
  files,
  setting,
  everyMs,
  apply,
  log,
}: WatchOptions<Files>): Promise<ReloadedFiles> {
  // One content for each file, in their order.
  type Contents = Buffer[] & Parameters<typeof apply>[0];
  const read = async (): Promise<Contents> =>
    (await Promise.all(files.map((file) => readFile(file)))) as Contents;
  let known: Contents;
  try {
    known = await read();
    apply(known);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ClusterError("config", `Cannot use ${files.join(" and ")}: ${reason}`, {
      cause,
      hint: `named by ${setting}`,
    });
  }
  const look = async (): Promise<void> => {
    const now = await read().catch(() => undefined);
    // A file that is missing for a moment is about to be replaced.
    if (now === undefined || now.every((content, i) => content.equals(at(known, i)))) return;
    known = now;
    try {
      apply(now);
      log("info", `Took the new contents of ${files.join(" and ")}`);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log("warn", `The new contents of ${files.join(" and ")} are of no use (${reason}); the old ones stay`);
    }
  };
  let looking = false;
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    void look().finally(() => (looking = false));
  }, everyMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
