/** Which weights were measured, as `results.json` names them. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";

const resultsSchema = z.looseObject({ weights_sha256: z.record(z.string(), z.string()).default({}) });

/** SHA-256 of the weights by network, as far as the last command in this folder knew them; none without the file. */
export async function weightHashes(folder: string): Promise<Readonly<Partial<Record<string, string>>>> {
  const text = await readFile(join(folder, "results.json"), "utf8").catch(() => "{}");
  return resultsSchema.parse(JSON.parse(text)).weights_sha256;
}
