/** The smallest PNG writer that does for sample images: 8 bits, grey or RGB, one block of pixels. */
import { crc32, deflateSync } from "node:zlib";
import { ClusterError } from "../../../shared/errors.js";

interface RawImage {
  width: number;
  height: number;
  /** 1 is grey, 3 is RGB. */
  channels: number;
  /** height × width × channels bytes, row by row, channels last. */
  pixels: Uint8Array;
}

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** PNG's colour types by number of channels. */
const COLOUR_TYPES: ReadonlyMap<number, number> = new Map([
  [1, 0],
  [3, 2],
]);

/** Encodes an image without loss. Source: the PNG specification, third edition (W3C). */
export function encodePng({ width, height, channels, pixels }: RawImage): Uint8Array {
  const colourType = COLOUR_TYPES.get(channels);
  if (colourType === undefined) {
    throw new ClusterError(
      "shape-mismatch",
      `Cannot encode an image of ${channels} channels: expected 1 or 3`,
    );
  }
  const rowBytes = width * channels;
  if (pixels.length !== rowBytes * height) {
    throw new ClusterError(
      "shape-mismatch",
      `Cannot encode an image of ${width} × ${height} × ${channels}: expected ${rowBytes * height} bytes, got ${pixels.length}`,
    );
  }
  // Each row begins with its filter; 0 stores the bytes as they are.
  const rows = new Uint8Array((rowBytes + 1) * height);
  for (let y = 0; y < height; y++)
    rows.set(pixels.subarray(y * rowBytes, (y + 1) * rowBytes), y * (rowBytes + 1) + 1);

  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, colourType, 0, 0, 0], 8);
  return Buffer.concat([
    SIGNATURE,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", new Uint8Array(0)),
  ]);
}

/** An image as an address that can stand in a page. */
export function pngDataUri(image: RawImage): string {
  return `data:image/png;base64,${Buffer.from(encodePng(image)).toString("base64")}`;
}

/** Length, type, data, checksum of type and data. */
function chunk(type: string, data: Uint8Array): Uint8Array {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, checksum]);
}
