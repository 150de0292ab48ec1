/** Compiled graphs as files, for TensorFlow loads them from a folder only: named by the hash of what is in them. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ClusterError } from "../../../shared/errors.js";
import { makeFolderSync } from "../../../shared/io/folders.js";

/** TensorFlow's name for it. */
const FILE = "saved_model.pb";

export function hashOf(savedModel: Uint8Array): string {
  return createHash("sha256").update(savedModel).digest("hex");
}

/**
 * Hands over a folder that holds these bytes, for as long as the call lasts. What lies there already is compared, byte by byte:
 * a file that is damaged, or cut short by a full disk, is written anew. Where `folder` cannot be written to, a folder of this
 * process serves.
 */
export function inModelFolder<Loaded>(
  folder: string,
  savedModel: Uint8Array,
  load: (place: string) => Loaded,
): Loaded {
  const place = join(folder, hashOf(savedModel));
  if (isKept(place, savedModel)) return load(place);
  const own = temporaryFolder(folder);
  try {
    try {
      write(join(own, FILE), savedModel);
    } catch (cause) {
      throw cannotWrite(folder, cause);
    }
    return load(own);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

function temporaryFolder(wanted: string): string {
  try {
    return mkdtempSync(join(tmpdir(), "saf-graph-"));
  } catch (cause) {
    throw cannotWrite(wanted, cause);
  }
}

function cannotWrite(folder: string, cause: unknown): ClusterError {
  return new ClusterError(
    "storage",
    `Cannot write a compiled network, neither below ${folder} nor below ${tmpdir()}`,
    { hint: "make room, or set SAF_CACHE_DIR or TMPDIR; SAF_COMPILE=off does without", cause },
  );
}

/** Is it there, or written now? */
function isKept(place: string, savedModel: Uint8Array): boolean {
  if (holds(place, savedModel)) return true;
  try {
    write(join(place, FILE), savedModel);
    return true;
  } catch {
    return false;
  }
}

function holds(place: string, savedModel: Uint8Array): boolean {
  try {
    return readFileSync(join(place, FILE)).equals(savedModel);
  } catch {
    return false;
  }
}

function write(file: string, bytes: Uint8Array): void {
  makeFolderSync(dirname(file));
  const aside = `${file}.${process.pid}.${process.hrtime.bigint()}`;
  try {
    writeFileSync(aside, bytes);
    renameSync(aside, file);
  } catch (error) {
    rmSync(aside, { force: true });
    throw error;
  }
}
