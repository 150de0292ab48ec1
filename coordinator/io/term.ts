/**
 * The coordinator's fencing number. Workers never go back to a lower one, so it must grow whatever the clock does: the last
 * one lies in the run directory, and the next is above it.
 */
import { ClusterError } from "../../shared/errors.js";
import { readBytes } from "../../shared/io/json-lines.js";
import type { RunDirectory } from "./run-directory.js";

export const TERM_FILE = "term.json";
/** 10,000 CE: beyond it the file is damaged, and so would be every number to come. */
const HIGHEST = 253_402_300_800_000;

/** Safe on the disk before it is returned. Throws ClusterError: "data" (the stored one is damaged), "storage". */
export async function nextTerm(directory: RunDirectory, wallMs: number): Promise<number> {
  const text = (await readBytes(directory.file(TERM_FILE))).toString("utf8");
  const term = Math.max(text === "" ? 0 : termIn(text, directory.path) + 1, Math.floor(wallMs));
  await directory.writeJson(TERM_FILE, { term });
  return term;
}

/**
 * Of a coordinator whose pool serves one run after another: above the last of its run, and above the last of its pool, for
 * workers outlive runs. `pool`: the folder where the pool keeps its own.
 */
export async function nextTermIn(
  home: RunDirectory,
  pool: RunDirectory | undefined,
  wallMs: number,
): Promise<number> {
  if (pool === undefined) return nextTerm(home, wallMs);
  const term = await nextTerm(home, await nextTerm(pool, wallMs));
  // The run's may have been the higher one.
  await nextTerm(pool, term);
  return term;
}

function termIn(text: string, path: string): number {
  let found: unknown;
  try {
    found = (JSON.parse(text) as { term?: unknown } | null)?.term;
  } catch {
    // Said below.
  }
  if (typeof found === "number" && Number.isSafeInteger(found) && found >= 0 && found < HIGHEST) return found;
  throw new ClusterError("data", `Cannot read the last term in ${path}/${TERM_FILE}: it is damaged`, {
    hint: "remove the file: the next term is then the time of day, which workers accept unless the clock has stepped back",
  });
}
