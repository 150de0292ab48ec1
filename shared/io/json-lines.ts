/**
 * Files of one JSON document a line, as journals append them. A torn last line is dropped on reading. A damaged line hides
 * only itself: the lines behind it count, and whoever reads is told.
 */
import { readFile } from "node:fs/promises";
import { storageError } from "./atomic-file.js";

/** Is told which lines of a file are left out. */
export type OnDamaged = (message: string) => void;

export interface JsonLines<Entry> {
  records: Entry[];
  /** The place in bytes where the line of each record ends. */
  ends: number[];
  /** Numbers of the lines that are no JSON object, from 1 on. */
  damaged: number[];
}

/** The records of a file; a missing file has none. Throws ClusterError("storage"). */
export async function readJsonLines<Entry>(file: string, onDamaged: OnDamaged = warn): Promise<Entry[]> {
  return (await scanJsonLines<Entry>(file, onDamaged)).records;
}

export async function scanJsonLines<Entry>(
  file: string,
  onDamaged: OnDamaged = warn,
): Promise<JsonLines<Entry>> {
  const bytes = await readBytes(file);
  const found: JsonLines<Entry> = { records: [], ends: [], damaged: [] };
  let line = 0;
  for (let start = 0, end = bytes.indexOf(10, 0); end >= 0; start = end + 1, end = bytes.indexOf(10, start)) {
    line++;
    const record = objectIn(bytes.toString("utf8", start, end));
    if (record === undefined) {
      found.damaged.push(line);
      continue;
    }
    found.records.push(record as Entry);
    found.ends.push(end + 1);
  }
  if (found.damaged.length > 0) onDamaged(damageOf(file, found.damaged));
  return found;
}

function objectIn(text: string): object | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function damageOf(file: string, [first = 0, ...others]: readonly number[]): string {
  if (others.length === 0) return `Line ${first} of ${file} is damaged and left out`;
  return `${1 + others.length} lines of ${file} are damaged and left out, the first is line ${first}`;
}

function warn(message: string): void {
  process.stderr.write(`saf: ${message}\n`);
}

/** Empty where there is no file: what exists and cannot be read must not pass for empty, and be trimmed to nothing. */
export async function readBytes(file: string): Promise<Buffer> {
  return readFile(file).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return Buffer.alloc(0);
    throw storageError(`read ${file}`, cause);
  });
}
