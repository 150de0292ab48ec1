/**
 * The safetensors format: 8 bytes little-endian header length, a JSON header, raw tensors. Only float32 is read and
 * written. A reader distrusts every number in the header. Source: the format's public specification.
 */
import { ClusterError } from "../errors.js";

export interface NamedTensor {
  name: string;
  shape: readonly number[];
  values: Float32Array;
}

export interface TensorFile {
  tensors: NamedTensor[];
  metadata: Record<string, string>;
}

const MAX_HEADER_BYTES = 100 * 1024 * 1024;

export function encodeSafetensors({ tensors, metadata }: TensorFile): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const { name, shape, values } of tensors) {
    header[name] = { dtype: "F32", shape, data_offsets: [offset, offset + values.byteLength] };
    offset += values.byteLength;
  }
  let json = JSON.stringify(header);
  json += " ".repeat((8 - (new TextEncoder().encode(json).byteLength % 8)) % 8);
  const head = new TextEncoder().encode(json);
  const file = new Uint8Array(8 + head.byteLength + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(head.byteLength), true);
  file.set(head, 8);
  let at = 8 + head.byteLength;
  for (const { values } of tensors) {
    file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    at += values.byteLength;
  }
  return file;
}

/** Throws ClusterError("data") naming `what` and the first thing that is wrong. Values are copies. */
export function decodeSafetensors(file: Uint8Array, what: string): TensorFile {
  const fail = (why: string): never => {
    throw new ClusterError("data", `Cannot read ${what}: ${why}`);
  };
  if (file.byteLength < 8) fail(`${file.byteLength} bytes are too short for a safetensors file`);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const headerBytes = view.getBigUint64(0, true);
  if (headerBytes > BigInt(MAX_HEADER_BYTES) || headerBytes > BigInt(file.byteLength - 8)) {
    fail(`its header claims ${headerBytes} bytes, the file has ${file.byteLength}`);
  }
  const dataStart = 8 + Number(headerBytes);
  const header = parseHeader(file.subarray(8, dataStart), fail);
  const dataBytes = file.byteLength - dataStart;
  const tensors: NamedTensor[] = [];
  let metadata: Record<string, string> = {};
  const ranges: [number, number][] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") {
      metadata = textsOf(entry);
      continue;
    }
    const { dtype, shape, data_offsets: offsets } = entry;
    if (dtype !== "F32") fail(`tensor "${name}" has type ${JSON.stringify(dtype)}, expected "F32"`);
    if (!isCounts(shape) || !isRange(offsets)) return fail(`tensor "${name}" has a malformed entry`);
    const [begin, end] = offsets;
    const size = shape.reduce((product, extent) => product * extent, 1);
    if (end < begin || end > dataBytes || end - begin !== 4 * size) {
      fail(
        `tensor "${name}" of shape [${String(shape)}] lies at [${begin}, ${end}) of ${dataBytes} data bytes`,
      );
    }
    ranges.push([begin, end]);
    // Not file.slice(): of Node's Buffers that is a view, and its memory is the whole file.
    const values = new Float32Array(new Uint8Array(file.subarray(dataStart + begin, dataStart + end)).buffer);
    tensors.push({ name, shape, values });
  }
  ranges.sort((a, b) => a[0] - b[0]);
  let behind = 0;
  for (const [begin, end] of ranges) {
    if (begin < behind) fail("two tensors overlap");
    behind = end;
  }
  return { tensors, metadata };
}

/** What a header says of a tensor, unchecked. */
interface HeaderEntry {
  dtype?: unknown;
  shape?: unknown;
  data_offsets?: unknown;
}

function parseHeader(bytes: Uint8Array, fail: (why: string) => never): Record<string, HeaderEntry> {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const header = JSON.parse(text) as Record<string, HeaderEntry> | null;
    const entries: unknown[] = typeof header === "object" && header !== null ? Object.values(header) : [];
    const areObjects = entries.every((entry) => typeof entry === "object" && entry !== null);
    if (header !== null && entries.length > 0 && areObjects) return header;
  } catch {
    // Said below.
  }
  return fail("its header is not a JSON object of tensors");
}

/** The entries that are text, as the format wants them all to be. */
function textsOf(entries: object): Record<string, string> {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => typeof value === "string"));
}

function isCounts(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.every((entry: unknown) => typeof entry === "number" && Number.isSafeInteger(entry) && entry >= 0)
  );
}

function isRange(value: unknown): value is [number, number] {
  return isCounts(value) && value.length === 2;
}
