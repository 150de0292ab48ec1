/** Fetches one published file and believes it only if its checksum is the published one. */
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ClusterError } from "../../../shared/errors.js";
import { makeFolder } from "../../../shared/io/folders.js";

export interface PublishedFile {
  url: string;
  sha256: string;
  bytes: number;
}

const PATIENCE_MS = 30 * 60_000;

/**
 * Fetches the file to `path`: written aside, verified, renamed. Nothing is done when there is one of the right size
 * already, for it was verified then. Throws ClusterError("data").
 */
export async function fetchFile(
  file: PublishedFile,
  path: string,
  progress: (line: string) => void,
): Promise<void> {
  if ((await stat(path).catch(() => undefined))?.size === file.bytes) return;
  progress(`fetching ${file.url} (${Math.ceil(file.bytes / 1e6)} MB)`);
  const aside = `${path}.part-${process.pid}`;
  try {
    await makeFolder(dirname(path));
    const found = await download(file, aside);
    if (found !== file.sha256) {
      throw new ClusterError("data", `Refused ${file.url}: expected SHA-256 ${file.sha256}, found ${found}`, {
        hint: "somebody on the way answers in its place, or it was changed",
      });
    }
    await rename(aside, path);
  } catch (error) {
    if (error instanceof ClusterError) throw error;
    throw new ClusterError("data", `Cannot fetch ${file.url}: ${reasonOf(error)}`, {
      hint: "check the network, or fetch the file yourself and name it by --data-dir, data.dir or SAF_DATA_DIR",
      cause: error,
    });
  } finally {
    await rm(aside, { force: true });
  }
}

/** Returns the SHA-256 of what came; never writes more than the published size. */
async function download({ url, bytes }: PublishedFile, path: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!response.ok || response.body === null) throw new Error(`the server answered ${response.status}`);
  const hash = createHash("sha256");
  let total = 0;
  async function* counted(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      total += chunk.byteLength;
      if (total > bytes) throw new Error(`it is larger than the ${bytes} bytes that were published`);
      hash.update(chunk);
      yield chunk;
    }
  }
  await pipeline(Readable.fromWeb(response.body), counted, createWriteStream(path));
  return hash.digest("hex");
}

/** `fetch` hides the reason ("connection refused", …) in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
