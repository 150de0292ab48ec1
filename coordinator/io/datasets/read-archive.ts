/** Takes known files out of a tar.gz, into memory, while its checksum is taken; nothing is written to the disk. */
import { type Hash, createHash } from "node:crypto";
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

/** What is taken out of an archive, and the first thing that is wrong with it. */
class Members {
  readonly #sizes: ReadonlyMap<string, number>;
  readonly #extras: readonly string[];
  readonly #found = new Map<string, Member>();
  #problem: string | undefined;

  constructor(sizes: ReadonlyMap<string, number>, extras: readonly string[]) {
    this.#sizes = sizes;
    this.#extras = extras;
  }

  take(entry: ReadEntry): void {
    const name = basename(entry.path);
    const isExtra = this.#extras.includes(name) && entry.size <= MAX_EXTRA_BYTES;
    const expected = isExtra ? entry.size : this.#sizes.get(name);
    if (expected === undefined || entry.type !== "File" || this.#found.has(name)) {
      entry.resume();
      return;
    }
    if (entry.size !== expected) this.#problem ??= notWhole(name, expected, entry.size);
    const member: Member = { bytes: new Uint8Array(expected), filled: 0 };
    this.#found.set(name, member);
    entry.on("data", (chunk: Buffer) => {
      const room = chunk.subarray(0, expected - member.filled);
      member.bytes.set(room, member.filled);
      member.filled += room.byteLength;
    });
  }

  /** Once the archive is read. */
  problem(): string | undefined {
    for (const [name, expected] of this.#sizes) {
      const filled = this.#found.get(name)?.filled ?? 0;
      if (filled !== expected) this.#problem ??= notWhole(name, expected, filled);
    }
    return this.#problem;
  }

  files(): Map<string, Uint8Array> {
    return new Map([...this.#found].map(([name, { bytes }]) => [name, bytes]));
  }
}

function notWhole(name: string, expected: number, found: number): string {
  return `${name} in it is not whole: expected ${expected} bytes, found ${found}`;
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
  const members = new Members(sizes, extras);
  const parser = new Parser({ onReadEntry: (entry: ReadEntry) => members.take(entry) });
  // A few kilobytes can unpack to terabytes. Headers, folders and notes have room besides the files.
  const mostBytes = 2 * [...sizes.values()].reduce((sum, size) => sum + size, MAX_EXTRA_BYTES);
  const { hash, bytes, failure } = await unpack(path, parser, mostBytes);
  const problem = members.problem();
  if (failure !== undefined || problem !== undefined) {
    const why = failure instanceof Error ? `${failure.message}; ` : "";
    throw new ClusterError(
      "data",
      `Cannot read data file ${path} of ${bytes} bytes: ${why}${problem ?? "it is damaged behind its last file"}`,
      { cause: failure },
    );
  }
  return { files: members.files(), sha256: hash.digest("hex"), bytes };
}

/** Puts the whole archive through the parser. `hash` and `bytes`: of what was read of the archive itself. */
async function unpack(
  path: string,
  parser: Parser,
  mostBytes: number,
): Promise<{ hash: Hash; bytes: number; failure: unknown }> {
  const hash = createHash("sha256");
  let bytes = 0;
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
    return { hash, bytes, failure: undefined };
  } catch (failure) {
    return { hash, bytes, failure };
  }
}
