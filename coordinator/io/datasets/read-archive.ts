/** Takes known files out of a tar.gz, into memory, while its checksum is taken; nothing is written to the disk. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { Parser, type ReadEntry } from "tar";
import { ClusterError } from "../../../shared/errors.js";

/** Of files whose size is not known beforehand. */
const MAX_EXTRA_BYTES = 1024 * 1024;

export interface Archive {
  files: Map<string, Uint8Array>;
  /** Of the archive itself. */
  sha256: string;
  bytes: number;
}

interface Member {
  bytes: Uint8Array;
  /** Bytes that came. */
  filled: number;
}

/**
 * `sizes`: name and exact size of the files that must be there, in whatever folder. `extras`: small ones that may be.
 * Throws ClusterError("data") naming archive and file, expected and found size.
 */
export async function readArchive(
  path: string,
  sizes: ReadonlyMap<string, number>,
  extras: readonly string[],
): Promise<Archive> {
  const members = new Map<string, Member>();
  const problems: string[] = [];
  const parser = new Parser({
    onReadEntry(entry: ReadEntry) {
      const name = basename(entry.path);
      const isExtra = extras.includes(name) && entry.size <= MAX_EXTRA_BYTES;
      const expected = isExtra ? entry.size : sizes.get(name);
      if (expected === undefined || entry.type !== "File" || members.has(name)) {
        entry.resume();
        return;
      }
      if (entry.size !== expected)
        problems.push(`${name} in it is not whole: expected ${expected} bytes, found ${entry.size}`);
      const member: Member = { bytes: new Uint8Array(expected), filled: 0 };
      members.set(name, member);
      entry.on("data", (chunk: Buffer) => {
        const room = chunk.subarray(0, expected - member.filled);
        member.bytes.set(room, member.filled);
        member.filled += room.byteLength;
      });
    },
  });
  // A few kilobytes can unpack to terabytes. Headers, folders and notes have room besides the files.
  const mostBytes = 2 * [...sizes.values()].reduce((sum, size) => sum + size, MAX_EXTRA_BYTES);
  const hash = createHash("sha256");
  let bytes = 0;
  let failure: unknown;
  try {
    await pipeline(
      createReadStream(path),
      async function* counted(source: AsyncIterable<Buffer>) {
        for await (const chunk of source) {
          hash.update(chunk);
          bytes += chunk.byteLength;
          yield chunk;
        }
      },
      createGunzip(),
      async (source: AsyncIterable<Buffer>) => {
        let unpacked = 0;
        for await (const chunk of source) {
          unpacked += chunk.byteLength;
          if (unpacked > mostBytes) throw new Error(`it unpacks to more than ${mostBytes} bytes`);
          parser.write(chunk);
        }
      },
    );
    parser.end();
  } catch (error) {
    failure = error;
  }
  for (const [name, expected] of sizes) {
    const filled = members.get(name)?.filled ?? 0;
    if (filled !== expected && problems.length === 0)
      problems.push(`${name} in it is not whole: expected ${expected} bytes, found ${filled}`);
  }
  if (failure !== undefined || problems.length > 0) {
    const why = failure instanceof Error ? `${failure.message}; ` : "";
    throw new ClusterError(
      "data",
      `Cannot read data file ${path} of ${bytes} bytes: ${why}${problems[0] ?? "it is damaged behind its last file"}`,
      { cause: failure },
    );
  }
  const files = new Map([...members].map(([name, member]) => [name, member.bytes]));
  return { files, sha256: hash.digest("hex"), bytes };
}
