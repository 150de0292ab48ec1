/** Windows that slide over images: where they reach over the border, and what TensorFlow calls that. */

/** Heights and widths in cells. */
export interface WindowGeometry {
  inHeight: number;
  inWidth: number;
  outHeight: number;
  outWidth: number;
  windowHeight: number;
  windowWidth: number;
  strideHeight: number;
  strideWidth: number;
  /** Rows and columns of zeros (or of nothing, for pools) around an image. */
  padding: { top: number; bottom: number; left: number; right: number };
}

/**
 * TensorFlow's name for a padding: engines have fast and complete code for SAME and VALID, so an explicit padding that
 * amounts to one of them is called by its name. A 3×3 stride-2 pool with top 0, bottom 1 on an even image is SAME.
 */
export function paddingName(geometry: WindowGeometry): "SAME" | "VALID" | "EXPLICIT" {
  const { top, bottom, left, right } = geometry.padding;
  if (top === 0 && bottom === 0 && left === 0 && right === 0) return "VALID";
  const rows = samePadding(geometry.inHeight, geometry.windowHeight, geometry.strideHeight);
  const columns = samePadding(geometry.inWidth, geometry.windowWidth, geometry.strideWidth);
  const isSame =
    geometry.outHeight === Math.ceil(geometry.inHeight / geometry.strideHeight) &&
    geometry.outWidth === Math.ceil(geometry.inWidth / geometry.strideWidth) &&
    top === rows.before &&
    bottom === rows.after &&
    left === columns.before &&
    right === columns.after;
  return isSame ? "SAME" : "EXPLICIT";
}

function samePadding(size: number, window: number, stride: number): { before: number; after: number } {
  const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + window - size);
  const before = Math.floor(total / 2);
  return { before, after: total - before };
}

/** The part of a window along one axis that lies inside the image: [start, end) in image cells. */
export function clipWindow(
  index: number,
  stride: number,
  padBefore: number,
  window: number,
  size: number,
): { start: number; end: number } {
  const first = index * stride - padBefore;
  return { start: Math.max(0, first), end: Math.min(size, first + window) };
}

/** Image cells under each window of an average pool, [outHeight · outWidth]; what the average divides by. */
export function cellsInside(geometry: WindowGeometry): Float32Array {
  const { outHeight, outWidth, strideHeight, strideWidth, windowHeight, windowWidth, padding } = geometry;
  const cells = new Float32Array(outHeight * outWidth);
  for (let row = 0; row < outHeight; row++) {
    const rows = clipWindow(row, strideHeight, padding.top, windowHeight, geometry.inHeight);
    for (let column = 0; column < outWidth; column++) {
      const columns = clipWindow(column, strideWidth, padding.left, windowWidth, geometry.inWidth);
      cells[row * outWidth + column] = (rows.end - rows.start) * (columns.end - columns.start);
    }
  }
  return cells;
}
