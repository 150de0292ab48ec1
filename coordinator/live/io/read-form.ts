/** The small form that a login page sends. */
import type { IncomingMessage } from "node:http";

const LONGEST_FORM_BYTES = 4096;

/** Undefined when it is too long, or no form. The server's own time limit holds for slow ones. */
export async function readForm(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  const type = (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase();
  if (type !== "application/x-www-form-urlencoded") return undefined;
  if (Number(request.headers["content-length"] ?? 0) > LONGEST_FORM_BYTES) return undefined;
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    const body: AsyncIterable<Buffer> = request;
    for await (const chunk of body) {
      size += chunk.length;
      if (size > LONGEST_FORM_BYTES) return undefined;
      chunks.push(chunk);
    }
  } catch {
    return undefined;
  }
  return new URLSearchParams(Buffer.concat(chunks).toString("utf8"));
}
