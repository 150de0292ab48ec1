/** Data parts by content hash: from the disk cache where they are right, else over the bus; verified before use. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Bus, RequestError } from "../../shared/bus.js";
import { ClusterError } from "../../shared/errors.js";
import { readMessage, wire, writeMessage } from "../../shared/messages.js";

/** One request fetches this much; answers stay below any server's payload limit. */
const RANGE_BYTES = 256 * 1024;
const RANGE_TIMEOUT_MS = 10_000;
const ATTEMPTS = 30;
/** Requests in flight: about 2 MB, well inside the credits of a connection. */
const CONCURRENT = 8;
/** Parts are some megabytes; the coordinator's word for more is not taken. */
const MAX_PART_BYTES = 256 * 1024 * 1024;

export interface PartDescription {
  sha256: string;
  byteLength: number;
}

/**
 * The bytes of one part. Throws ClusterError("data") when what the coordinator serves does not match its hash, and
 * ClusterError("dependency") when it does not answer.
 */
export async function fetchPart(
  bus: Bus,
  subject: string,
  directory: string,
  part: PartDescription,
): Promise<Uint8Array> {
  // The hash becomes the name of a file, the length an allocation.
  if (!/^[0-9a-f]{64}$/.test(part.sha256) || !(part.byteLength >= 0 && part.byteLength <= MAX_PART_BYTES)) {
    throw new ClusterError("data", "The coordinator describes a data part that cannot be one", {
      hint: `SHA-256 ${JSON.stringify(part.sha256.slice(0, 80))}, ${part.byteLength} bytes`,
    });
  }
  const file = join(directory, part.sha256);
  const cached = await readFile(file).catch(() => undefined);
  if (cached !== undefined && sha256(cached) === part.sha256) return cached;

  const bytes = new Uint8Array(part.byteLength);
  let next = 0;
  const fetchRanges = async (): Promise<void> => {
    for (let offset = next; offset < part.byteLength; offset = next) {
      next += RANGE_BYTES;
      bytes.set(await fetchRange(bus, subject, part, offset), offset);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT }, fetchRanges));
  const found = sha256(bytes);
  if (found !== part.sha256) {
    throw new ClusterError(
      "data",
      `Data part from the coordinator is corrupt: expected SHA-256 ${part.sha256}, found ${found}`,
    );
  }
  await store(directory, file, bytes);
  return bytes;
}

async function fetchRange(
  bus: Bus,
  subject: string,
  part: PartDescription,
  offset: number,
): Promise<Uint8Array> {
  const length = Math.min(RANGE_BYTES, part.byteLength - offset);
  const request = writeMessage(wire.DataRequest, { sha256: part.sha256, offset, length });
  for (let attempt = 1; ; attempt++) {
    try {
      const reply = readMessage(wire.DataRange, await bus.request(subject, request, RANGE_TIMEOUT_MS));
      if (reply?.body.byteLength === length) return reply.body;
      const why = reply?.error?.message ?? "an answer of the wrong size";
      throw new ClusterError("data", `Cannot fetch data part ${part.sha256.slice(0, 12)}…: ${why}`);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (attempt === ATTEMPTS) {
        throw new ClusterError("dependency", `The coordinator does not serve data (${error.failure})`, {
          cause: error,
        });
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

/** A full or read-only disk only costs the cache. */
async function store(directory: string, file: string, bytes: Uint8Array): Promise<void> {
  const aside = `${file}.${process.pid}`;
  try {
    await mkdir(directory, { recursive: true });
    await writeFile(aside, bytes);
    await rename(aside, file);
  } catch {
    // The next run fetches it again.
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
