/** An engine's libraries are links into Python's folder where Python has them; an image takes them along instead. */
import { copyFileSync, lstatSync, readdirSync, readlinkSync, renameSync } from "node:fs";
import { isAbsolute, join } from "node:path";

/** Replaces links out of `folder` by what they lead to; links within it stay. Throws when one leads nowhere. */
export function ownLibraries(folder: string): void {
  for (const name of readdirSync(folder)) {
    const place = join(folder, name);
    if (!lstatSync(place).isSymbolicLink() || !isAbsolute(readlinkSync(place))) continue;
    const aside = `${place}.part`;
    copyFileSync(place, aside);
    renameSync(aside, place);
  }
}
