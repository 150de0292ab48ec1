/** CIFAR-10's six binary files with invented pictures: a class is a brightness, with stripes. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CIFAR10_FILES, CIFAR10_FILE_BYTES } from "../../coordinator/io/datasets/cifar10.js";

const RECORD_BYTES = 1 + 3 * 32 * 32;

/** Returns the folder, as `data.dir` names it. */
export async function writeCifarFiles(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const [n, name] of CIFAR10_FILES.entries()) {
    const bytes = Buffer.alloc(CIFAR10_FILE_BYTES);
    for (let record = 0; record * RECORD_BYTES < bytes.byteLength; record++) {
      const label = (record * 7 + n) % 10;
      const start = record * RECORD_BYTES;
      bytes.fill(Uint8Array.of(20 * label, 20 * label + 9, 20 * label + 18, n), start, start + RECORD_BYTES);
      bytes[start] = label;
    }
    await writeFile(join(folder, name), bytes);
  }
  return folder;
}
