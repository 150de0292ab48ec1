/** What a worker found out about a task's images. */
import type { Answers } from "./scoring.js";

/** One strength: arrays of one entry an image. */
export interface StrengthOutcome extends Answers {
  strength: number;
  /** Size of the change as measured on the images shown, in the measure's norm, on [0, 1] pixels; empty: no change is bounded. */
  distances: Float32Array;
  /** How an image came to be wrong (`ORIGINS`); empty where a measure keeps no account. */
  origins: Uint8Array;
  samples: { index: number; pixels: Uint8Array }[];
}

/** The first images of a task as bytes for the report; `pixels` 0..255, clipped for display only. */
export function pictures(
  pixelsOf: (at: number) => number,
  { sampleCount, imageCount, firstImage }: { sampleCount: number; imageCount: number; firstImage: number },
  imageSize: number,
): StrengthOutcome["samples"] {
  return Array.from({ length: Math.min(sampleCount, imageCount) }, (_, i) => {
    const pixels = new Uint8Array(imageSize);
    for (let p = 0; p < imageSize; p++) {
      pixels[p] = Math.max(0, Math.min(255, Math.round(pixelsOf(i * imageSize + p))));
    }
    return { index: firstImage + i, pixels };
  });
}
