/** Turns a run or a checkpoint into files of another format: read, render, write aside, rename. */
import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { at } from "../../../shared/core/at.js";
import { ClusterError } from "../../../shared/errors.js";
import { storageError, writeDirectoryAtomic, writeFileAtomic } from "../../../shared/io/atomic-file.js";
import type { ExportFormat, FileContent } from "./export-format.js";
import { type SourceOptions, readModel, readRuns } from "./run-source.js";
import { makeFolder } from "../../../shared/io/folders.js";

export interface ExportOptions extends SourceOptions {
  /** Where to; the name of the run in the current folder where it is not given. */
  out?: string | undefined;
  /** Replace an earlier export. */
  force: boolean;
  perImage: boolean;
}

/** What `saf export --json` prints. */
export interface ExportReport {
  format: string;
  path: string;
  files: { file: string; bytes: number; sha256: string }[];
}

/** Throws ClusterError: "usage" (no run; something is in the way), "data", "config", "storage". */
export async function exportRun(
  path: string,
  format: ExportFormat,
  options: ExportOptions,
): Promise<ExportReport> {
  if (options.perImage && !("perImage" in format)) {
    throw new ClusterError("usage", `There is no --per-image for format "${format.name}"`, {
      hint: "csv and parquet have rows per image",
    });
  }
  const { name, files } = await render(path, format, options);
  const out = resolve(options.out ?? `${name}${format.suffix}`);
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

/** Files by their names in the folder; the one file of a format has none. */
async function render(
  path: string,
  format: ExportFormat,
  options: ExportOptions,
): Promise<{ name: string; files: Record<string, FileContent> }> {
  if (format.of === "model") {
    const model = await readModel(path, options);
    const name = model.facts.run.replaceAll("/", "-");
    return format.makes === "folder"
      ? { name, files: format.render(model) }
      : { name, files: { "": await format.render(model, options) } };
  }
  const runs = await readRuns(path, options);
  const [first] = runs;
  const home = (first?.run ?? "").split("/");
  const name = (runs.length > 1 ? home.slice(0, -1) : home).join("-");
  return format.makes === "folder"
    ? { name, files: format.render(runs) }
    : { name, files: { "": await format.render(runs, options) } };
}

/** Nothing but an earlier export is ever replaced, and that only by force. */
async function makeWay(out: string, format: ExportFormat, force: boolean): Promise<void> {
  const found = await stat(out).catch(() => undefined);
  if (found === undefined) return;
  const refuse = (why: string, hint: string): never => {
    throw new ClusterError("usage", `Cannot write ${out}: ${why}`, { hint });
  };
  if (format.makes === "file") {
    if (!found.isFile()) refuse("it is a folder", "name a file by --out");
  } else {
    if (!found.isDirectory()) refuse("it is a file", "name a folder by --out");
    const foreign = (await filesBelow(out)).filter((name) => !format.owns.test(name));
    if (foreign.length > 0)
      refuse(`it holds other files (${foreign[0]})`, "name a folder of its own by --out");
  }
  if (!force) refuse("it exists", "replace it by --force, or name another place by --out");
}

/** Names without their folders. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
}
