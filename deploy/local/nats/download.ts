/**
 * Fetches a nats-server that the user chose, and believes it only if its SHA-256 is the one the user gave. saf pins no
 * release of its own; the project publishes the checksums beside its releases.
 */
import { createHash } from "node:crypto";
import { ClusterError } from "../../../shared/errors.js";
import { redact } from "../../../shared/redact.js";
import { extractProgram } from "./archive.js";
import { addToCache } from "./binary.js";
import type { InstallOptions, NatsBinary } from "./binary.js";

const DOWNLOAD_TIMEOUT_MS = 180_000;
const MAX_DOWNLOAD_BYTES = 128 * 1024 * 1024;

/**
 * From SAF_NATS_DOWNLOAD_URL (a tar.gz, a zip, or the program itself) with SAF_NATS_DOWNLOAD_SHA256 (of that very
 * file); undefined when no address is set.
 * @throws ClusterError("usage") without a checksum, ClusterError("dependency") when the file cannot be had or differs.
 */
export async function downloadServer(options: InstallOptions): Promise<NatsBinary | undefined> {
  const url = options.env["SAF_NATS_DOWNLOAD_URL"];
  if (url === undefined || url === "") return undefined;
  const expected = options.env["SAF_NATS_DOWNLOAD_SHA256"]?.trim().toLowerCase() ?? "";
  if (!/^[0-9a-f]{64}$/.test(expected)) {
    throw new ClusterError(
      "usage",
      `Cannot download nats-server: SAF_NATS_DOWNLOAD_SHA256 is not a SHA-256`,
      {
        hint: "Set it to the 64 hexadecimal digits that are published beside the release.",
      },
    );
  }

  options.progress(`downloading nats-server from ${redact(url)}`);
  const bytes = await fetchBytes(url);
  const actual = createHash("sha256").update(bytes).digest("hex");
  if (actual !== expected) {
    throw new ClusterError(
      "dependency",
      `Refused the nats-server from ${redact(url)}: expected SHA-256 ${expected}, got ${actual}`,
      {
        hint: "Compare both with the checksum that the project publishes: the address or the checksum is wrong, or somebody changed the file.",
      },
    );
  }
  const { cacheDir, env } = options;
  return addToCache(extractProgram(bytes, "nats-server"), { cacheDir, env, from: "the download" });
}

async function fetchBytes(url: string): Promise<Buffer> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) });
    if (!response.ok || response.body === null) throw new Error(`the server answered ${response.status}`);
    const chunks: Uint8Array[] = [];
    let total = 0;
    const body: AsyncIterable<Uint8Array> = response.body;
    for await (const chunk of body) {
      total += chunk.length;
      if (total > MAX_DOWNLOAD_BYTES) throw new Error(`the file is larger than ${MAX_DOWNLOAD_BYTES} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (cause) {
    throw new ClusterError(
      "dependency",
      `Cannot download nats-server from ${redact(url)}: ${reasonOf(cause)}`,
      {
        hint: "Check SAF_NATS_DOWNLOAD_URL and the network, or fetch the file yourself and set SAF_NATS_SERVER.",
        cause,
      },
    );
  }
}

/** `fetch` hides the reason ("connection refused", …) in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
