/** What stands behind the gradients of a push: how many images it counted, and how many of them right. */
import { TAIL } from "./layout.js";

/** Why the counts at the end of a push cannot be those of so many images; undefined when they can. `body`: of its last chunk. */
export function miscountIn(body: Uint8Array, images: number): string | undefined {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const countAt = (place: number): number | undefined => {
    const offset = body.byteLength - 4 * (TAIL.length - place);
    return offset >= 0 ? view.getFloat32(offset, true) : undefined;
  };
  const samples = countAt(TAIL.samples);
  const hits = countAt(TAIL.hits) ?? 0;
  if (samples === images && Number.isInteger(hits) && hits >= 0 && hits <= images) return undefined;
  return `it counted ${hits} hits of ${samples} images, expected ${images} images`;
}
