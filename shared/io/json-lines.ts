/** Files of one JSON document a line, as journals append them. A torn last line is dropped on reading. */
import { readFile } from "node:fs/promises";
import { storageError } from "./atomic-file.js";

/** The records of a file; a missing file has none. Lines after the first damaged one do not count. Throws ClusterError("storage"). */
export async function readJsonLines<Entry>(file: string): Promise<Entry[]> {
  return (await scanJsonLines<Entry>(file)).records;
}

/** The records with the place in bytes where each line ends. */
export async function scanJsonLines<Entry>(file: string): Promise<{ records: Entry[]; ends: number[] }> {
  const bytes = await readBytes(file);
  const records: Entry[] = [];
  const ends: number[] = [];
  for (let start = 0, end = bytes.indexOf(10, 0); end >= 0; start = end + 1, end = bytes.indexOf(10, start)) {
    try {
      records.push(JSON.parse(bytes.toString("utf8", start, end)) as Entry);
    } catch {
      break;
    }
    ends.push(end + 1);
  }
  return { records, ends };
}

/** Empty where there is no file: what exists and cannot be read must not pass for empty, and be trimmed to nothing. */
export async function readBytes(file: string): Promise<Buffer> {
  return readFile(file).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return Buffer.alloc(0);
    throw storageError(`read ${file}`, cause);
  });
}
