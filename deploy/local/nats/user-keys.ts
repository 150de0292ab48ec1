/** nkeys of the server's users: one seed file for each identity. The server itself only ever sees the public keys. */
import { readFile } from "node:fs/promises";
import { createUser, fromSeed } from "nkeys.js";
import { ClusterError, codeIn } from "../../../shared/errors.js";
import { writeSecret } from "../../credentials/secret-file.js";

/**
 * The public key (`U…`) of the seed in the file; a new seed (mode 0600), if there is no file.
 * @throws ClusterError("config") when the file holds something else.
 */
export async function publicKeyOf(seedFile: string): Promise<string> {
  let seed: Uint8Array;
  try {
    seed = await readFile(seedFile);
  } catch (error) {
    if (codeIn(error) !== "ENOENT") throw error;
    return createSeed(seedFile);
  }
  try {
    return fromSeed(new TextEncoder().encode(new TextDecoder().decode(seed).trim())).getPublicKey();
  } catch (cause) {
    throw new ClusterError("config", `Cannot read the nkey seed in ${seedFile}`, {
      hint: "Remove the file: a new key is made at the next start.",
      cause,
    });
  }
}

async function createSeed(seedFile: string): Promise<string> {
  const user = createUser();
  await writeSecret(seedFile, user.getSeed());
  return user.getPublicKey();
}
