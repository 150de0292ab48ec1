/** Reads PNG files by resvg's own decoder, which knows nothing of our writer. */
import { Resvg } from "@resvg/resvg-js";

export interface DecodedImage {
  width: number;
  height: number;
  /** height × width × 4 bytes: red, green, blue, opacity. */
  pixels: Uint8Array;
}

export function decodePng(png: Uint8Array): DecodedImage {
  const bytes = Buffer.from(png);
  // Width and height stand in the header, after signature, length and type.
  const [width, height] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">` +
    `<image width="${width}" height="${height}" href="data:image/png;base64,${bytes.toString("base64")}"/></svg>`;
  const drawn = new Resvg(svg, { imageRendering: 1, font: { loadSystemFonts: false } }).render();
  return { width: drawn.width, height: drawn.height, pixels: drawn.pixels };
}
