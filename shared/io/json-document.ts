/** Reads files of one JSON document. */
import { readFile } from "node:fs/promises";
import { ClusterError } from "../errors.js";

/** Throws ClusterError("data") when the file is missing or no JSON. */
export async function readJson<Value>(file: string): Promise<Value> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Value;
  } catch (cause) {
    throw new ClusterError("data", `Cannot read ${file}: it is missing or damaged`, { cause });
  }
}
