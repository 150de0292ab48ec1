/** Takes the nats-server program out of a downloaded file: a tar.gz, a zip, or the program itself. */
import { gunzipSync, inflateRawSync } from "node:zlib";
import { ClusterError } from "../../../shared/errors.js";

/** A release holds a program of about 17 MB; more than this is no nats-server. */
const MAX_UNPACKED_BYTES = 256 * 1024 * 1024;
const TAR_BLOCK = 512;
const ZIP_END = 0x06054b50;
const ZIP_ENTRY = 0x02014b50;

/** @throws ClusterError("dependency") when the archive is broken or has no file of that name in it. */
export function extractProgram(bytes: Buffer, name: string): Buffer {
  try {
    const found = extract(bytes, name);
    if (found !== undefined) return found;
  } catch (cause) {
    throw new ClusterError("dependency", `Cannot unpack ${name}: the archive is broken`, { cause });
  }
  throw new ClusterError("dependency", `Cannot unpack ${name}: the archive has no file of that name`);
}

function extract(bytes: Buffer, name: string): Buffer | undefined {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    return fromTar(gunzipSync(bytes, { maxOutputLength: MAX_UNPACKED_BYTES }), name);
  }
  if (bytes.subarray(0, 2).toString("latin1") === "PK") return fromZip(bytes, name);
  return bytes;
}

/** POSIX tar: a header block with name (0), size in octal (124) and type (156), then the content in whole blocks. */
function fromTar(tar: Buffer, name: string): Buffer | undefined {
  let offset = 0;
  while (offset + TAR_BLOCK <= tar.length) {
    const header = tar.subarray(offset, offset + TAR_BLOCK);
    const path = header.toString("utf8", 0, 100).split("\0")[0] ?? "";
    const size = Number.parseInt(header.toString("latin1", 124, 136), 8) || 0;
    const isFile = header[156] === 0 || header[156] === "0".charCodeAt(0);
    const start = offset + TAR_BLOCK;
    if (isFile && baseName(path) === name) {
      if (start + size > tar.length) throw new Error(`${path} is cut off`);
      return tar.subarray(start, start + size);
    }
    offset = start + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
  }
  return undefined;
}

/** The directory at the end of a zip names every entry and where it starts. */
function fromZip(zip: Buffer, name: string): Buffer | undefined {
  let end = zip.length - 22;
  while (end >= 0 && zip.readUInt32LE(end) !== ZIP_END) end--;
  if (end < 0) throw new Error("no directory at its end");
  let offset = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    if (zip.readUInt32LE(offset) !== ZIP_ENTRY) throw new Error("a damaged directory");
    const nameLength = zip.readUInt16LE(offset + 28);
    const path = zip.toString("utf8", offset + 46, offset + 46 + nameLength);
    if (baseName(path) === name) return zipContent(zip, offset);
    offset += 46 + nameLength + zip.readUInt16LE(offset + 30) + zip.readUInt16LE(offset + 32);
  }
  return undefined;
}

function zipContent(zip: Buffer, entry: number): Buffer {
  const method = zip.readUInt16LE(entry + 10);
  const packedBytes = zip.readUInt32LE(entry + 20);
  const header = zip.readUInt32LE(entry + 42);
  const start = header + 30 + zip.readUInt16LE(header + 26) + zip.readUInt16LE(header + 28);
  const packed = zip.subarray(start, start + packedBytes);
  if (packed.length !== packedBytes) throw new Error("an entry is cut off");
  if (method === 0) return packed;
  if (method === 8) return inflateRawSync(packed, { maxOutputLength: MAX_UNPACKED_BYTES });
  throw new Error(`compression method ${method} is unknown`);
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
