/** Images of one data set in the shape of another's: what a network then sees shows none of its classes. */
import { at } from "../../shared/core/at.js";

export interface ImageShape {
  height: number;
  width: number;
  channels: number;
}

/** Luma of ITU-R BT.601. */
const LUMA = [0.299, 0.587, 0.114];

/**
 * Bytes 0..255, image after image, channels last. Larger images lose their border, smaller ones get a black one; one channel
 * becomes three equal ones, three become their brightness.
 */
export function fitImages(pixels: Uint8Array, from: ImageShape, to: ImageShape): Uint8Array {
  const count = pixels.length / (from.height * from.width * from.channels);
  const size = to.height * to.width * to.channels;
  const fitted = new Uint8Array(count * size);
  // Negative: a border is added.
  const top = Math.floor((from.height - to.height) / 2);
  const left = Math.floor((from.width - to.width) / 2);
  for (let image = 0; image < count; image++) {
    for (let y = 0; y < to.height; y++) {
      const row = y + top;
      if (row < 0 || row >= from.height) continue;
      for (let x = 0; x < to.width; x++) {
        const column = x + left;
        if (column < 0 || column >= from.width) continue;
        const start = ((image * from.height + row) * from.width + column) * from.channels;
        const out = image * size + (y * to.width + x) * to.channels;
        for (let channel = 0; channel < to.channels; channel++) {
          fitted[out + channel] = channelOf(pixels, start, from.channels, to.channels, channel);
        }
      }
    }
  }
  return fitted;
}

function channelOf(pixels: Uint8Array, start: number, from: number, to: number, channel: number): number {
  if (from === to) return at(pixels, start + channel);
  if (from === 1) return at(pixels, start);
  return Math.round(LUMA.reduce((sum, share, c) => sum + share * at(pixels, start + c), 0));
}
