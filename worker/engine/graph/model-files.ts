/** Compiled graphs as files, for TensorFlow loads them from a folder only: named by the hash of what is in them. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** TensorFlow's name for it. */
const FILE = "saved_model.pb";

export function hashOf(savedModel: Uint8Array): string {
  return createHash("sha256").update(savedModel).digest("hex");
}

/**
 * The folder that holds these bytes. What lies there already is compared, byte by byte: a file that is damaged, or cut short
 * by a full disk, is written anew. Where `folder` cannot be written to, a folder of this process serves.
 */
export function modelFolder(folder: string, savedModel: Uint8Array): string {
  const place = join(folder, hashOf(savedModel));
  if (holds(place, savedModel)) return place;
  try {
    write(join(place, FILE), savedModel);
    return place;
  } catch {
    const own = mkdtempSync(join(tmpdir(), "saf-graph-"));
    write(join(own, FILE), savedModel);
    return own;
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
  mkdirSync(dirname(file), { recursive: true });
  const aside = `${file}.${process.pid}.${process.hrtime.bigint()}`;
  writeFileSync(aside, bytes);
  renameSync(aside, file);
}
