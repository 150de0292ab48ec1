/** Data parts as files, named by their hash, in a folder that the workers of a machine share. */
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PartStore } from "../parts.js";
import { makeFolder } from "../../shared/io/folders.js";

export function partFiles(directory: string): PartStore {
  return {
    get: (sha256) => readFile(join(directory, sha256)).catch(() => undefined),
    /** A full or read-only disk only costs the cache: the next run fetches the part again. */
    put: (sha256, bytes) => write(directory, join(directory, sha256), bytes).catch(() => undefined),
  };
}

async function write(directory: string, file: string, bytes: Uint8Array): Promise<void> {
  const aside = `${file}.${process.pid}`;
  await makeFolder(directory);
  await writeFile(aside, bytes);
  await rename(aside, file);
}
