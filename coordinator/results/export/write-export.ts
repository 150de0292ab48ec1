/** Puts what a format rendered in its place: nothing but an earlier export is replaced; written aside, then renamed. */
import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { at } from "../../../shared/core/at.js";
import { ClusterError } from "../../../shared/errors.js";
import { storageError, writeDirectoryAtomic, writeFileAtomic } from "../../../shared/io/atomic-file.js";
import { makeFolder } from "../../../shared/io/folders.js";
import type { FolderContent, FormatBase, Owns, Target } from "./export-format.js";

export interface WriteOptions {
  /** Where to; named by its source in the current folder where it is not given. */
  out?: string | undefined;
  /** Replace an earlier export. */
  force: boolean;
}

/** What `saf export --json` prints. */
export interface ExportReport {
  format: string;
  path: string;
  files: { file: string; bytes: number; sha256: string }[];
}

/** The one file of a format that makes a file has an empty name. Throws ClusterError: "usage" (something is in the way), "storage". */
export async function writeExport(
  source: string,
  format: FormatBase<string> & Target,
  files: FolderContent,
  options: WriteOptions,
): Promise<ExportReport> {
  const out = resolve(options.out ?? `${source}${format.suffix}`);
  await makeWay(out, format, options.force);
  await makeFolder(dirname(out)).catch((cause: unknown) => {
    throw storageError(`create the folder of ${out}`, cause);
  });
  if (format.makes === "folder") await writeDirectoryAtomic(out, files);
  else await writeFileAtomic(out, at(Object.values(files), 0));
  return {
    format: format.name,
    path: out,
    files: Object.entries(files).map(([file, content]) => ({
      file: format.makes === "folder" ? join(out, file) : out,
      bytes: Buffer.byteLength(content),
      sha256: createHash("sha256").update(content).digest("hex"),
    })),
  };
}

/** Nothing but an earlier export is ever replaced, and that only by force. */
async function makeWay(out: string, format: Target, force: boolean): Promise<void> {
  const found = await stat(out).catch(() => undefined);
  if (found === undefined) return;
  const refuse = (why: string, hint: string): never => {
    throw new ClusterError("usage", `Cannot write ${out}: ${why}`, { hint });
  };
  if (format.makes === "file") {
    if (!found.isFile()) refuse("it is a folder", "name a file by --out");
  } else {
    if (!found.isDirectory()) refuse("it is a file", "name a folder by --out");
    const foreign = await foreignFiles(out, format.owns);
    if (foreign.length > 0)
      refuse(`it holds other files (${foreign[0]})`, "name a folder of its own by --out");
  }
  if (!force) refuse("it exists", "replace it by --force, or name another place by --out");
}

/** Files of a folder, by their paths in it, that no earlier export wrote. */
async function foreignFiles(folder: string, owns: Owns): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => relative(folder, join(parentPath, name)).split(sep).join("/"));
  const all = new Set(paths);
  return paths.filter((path) => !(owns instanceof RegExp ? owns.test(basename(path)) : owns(path, all)));
}
