/** Images of the other data sets, as nonsense for a network that knows none of their classes: METHOD.md 4.3, row 13. */
import { ClusterError } from "../../shared/errors.js";
import type { NotMeasured } from "../../shared/results.js";
import { type ImageShape, fitImages } from "../evaluation/fit-images.js";
import type { ForeignPictures } from "../evaluation/plan/modern-procedure.js";
import type { DataShelf } from "./data-shelf.js";
import { DATA_SETS } from "./datasets/data-sets.js";
import type { Dataset } from "./datasets/dataset.js";

/** The first so many test images of each: what the largest budget looks at. */
const MOST_IMAGES = 1000;

/** Those sets that are here, held for `holder`, and why the others are not. */
export async function foreignImages(
  shelf: DataShelf,
  own: string,
  shape: ImageShape,
  holder: string,
): Promise<{ found: ForeignPictures[]; missing: NotMeasured[] }> {
  const found: ForeignPictures[] = [];
  const missing: NotMeasured[] = [];
  for (const { name } of DATA_SETS.filter((source) => source.name !== own)) {
    try {
      const { pixels, images } = fitted(await shelf.other(name), shape);
      found.push({ name, pixels_sha256: shelf.hold(pixels, holder), images });
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
      missing.push({ what: `nonsense from ${name}`, why: whyNot(error) });
    }
  }
  return { found, missing };
}

function whyNot({ message, hint }: ClusterError): string {
  return hint === undefined ? message : `${message}; ${hint}`;
}

function fitted({ test, ...from }: Dataset, shape: ImageShape): { pixels: Uint8Array; images: number } {
  const images = Math.min(MOST_IMAGES, test.labels.length);
  const bytes = test.pixels.subarray(0, images * from.height * from.width * from.channels);
  return { pixels: fitImages(bytes, from, shape), images };
}
