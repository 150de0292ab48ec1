/** The answer to the end of a push of which chunks are missing: they are to come again. */
import { type saf, wire } from "../../../shared/messages.js";
import type { Verdict } from "../../leases/job.js";

/** `count`: chunks of the push. */
export function missingChunks(
  chunks: readonly number[],
  count: number,
): Verdict<saf.v1.PushReply.$Properties> {
  return { reply: { status: wire.PushReply.Status.MISSING, missing: bitmapOf(chunks, count) } };
}

/** A bit a chunk, of so many. */
function bitmapOf(chunks: readonly number[], count: number): Uint8Array {
  const bitmap = new Uint8Array(Math.ceil(count / 8));
  for (const chunk of chunks) bitmap[chunk >>> 3] = (bitmap[chunk >>> 3] ?? 0) | (1 << (chunk & 7));
  return bitmap;
}
