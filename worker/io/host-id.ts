/** Which workers share memory: those that find the same word in its folder, where the first one of them left it. */
import { randomBytes } from "node:crypto";
import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Not like a file of bulk bytes: those end in eight digits. */
const FILE = "host.id";
const WORD = /^[0-9a-f]{32}$/;

/** Undefined where no such word can be left or read. */
export function hostIdIn(folder: string): string | undefined {
  const path = join(folder, FILE);
  const aside = `${path}.${randomBytes(8).toString("hex")}`;
  try {
    writeFileSync(aside, randomBytes(16).toString("hex"), { mode: 0o600, flag: "wx" });
    try {
      // Whole or not at all, and never in the place of another's.
      linkSync(aside, path);
    } catch {
      // Another worker was first.
    } finally {
      rmSync(aside, { force: true });
    }
    const word = readFileSync(path, "utf8");
    return WORD.test(word) ? word : undefined;
  } catch {
    return undefined;
  }
}
