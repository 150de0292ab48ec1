/** SHA-256 of a vector's or a file's bytes, as records name it. */
import { createHash } from "node:crypto";

export function hashOf(bytes: Uint8Array | Float32Array): string {
  return createHash("sha256")
    .update(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    .digest("hex");
}
