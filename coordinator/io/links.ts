/** Links that people follow. Nothing of ours depends on one: some file systems know none. */
import { rename, rm, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { storageError } from "../../shared/io/atomic-file.js";

/** Points a link to its neighbour `target`, at once. Throws ClusterError("storage"); the old link stays then. */
export async function pointLink(link: string, target: string): Promise<void> {
  // A link to itself would lead nowhere.
  if (basename(link) === target) return;
  const aside = join(dirname(link), `.${basename(link)}.${process.pid}`);
  try {
    await rm(aside, { force: true });
    await symlink(target, aside);
    await rename(aside, link);
  } catch (cause) {
    await rm(aside, { force: true }).catch(() => undefined);
    throw storageError(`move the link ${link}`, cause);
  }
}
