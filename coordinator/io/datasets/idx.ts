/** The IDX format of MNIST: two zero bytes, type, rank, big-endian extents, then bytes. */
import { ClusterError } from "../../../shared/errors.js";

const UNSIGNED_BYTE = 0x08;

/** Throws ClusterError("data") when the file is not an IDX file of bytes, or is cut short. */
export function parseIdx(file: Uint8Array, what: string): { shape: number[]; data: Uint8Array } {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const rank = file.byteLength < 4 ? 0 : view.getUint8(3);
  if (
    rank === 0 ||
    view.getUint16(0) !== 0 ||
    view.getUint8(2) !== UNSIGNED_BYTE ||
    file.byteLength < 4 + 4 * rank
  ) {
    throw new ClusterError("data", `${what} is not an IDX file of unsigned bytes`);
  }
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const expected = shape.reduce((product, extent) => product * extent, 1);
  const data = file.subarray(4 + 4 * rank);
  if (data.byteLength !== expected) {
    throw new ClusterError(
      "data",
      `${what} holds ${data.byteLength} bytes of data, its header promises ${expected}`,
    );
  }
  return { shape, data };
}
