/** The four files that MNIST and the sets of its shape come in, to a data set. */
import type { Dataset } from "./dataset.js";
import { parseIdx } from "./idx.js";

export const IDX_FILES = [
  "train-images-idx3-ubyte",
  "train-labels-idx1-ubyte",
  "t10k-images-idx3-ubyte",
  "t10k-labels-idx1-ubyte",
] as const;
export type IdxFile = (typeof IDX_FILES)[number];

/** `read` gives a file's verified, uncompressed bytes, and its path for messages. */
export async function loadIdxDataset(
  name: string,
  read: (file: IdxFile) => Promise<{ path: string; bytes: Uint8Array }>,
): Promise<Dataset> {
  const load = async (file: IdxFile): Promise<Uint8Array> => {
    const { path, bytes } = await read(file);
    return parseIdx(bytes, path).data;
  };
  const [trainPixels, trainLabels, testPixels, testLabels] = await Promise.all([
    load(IDX_FILES[0]),
    load(IDX_FILES[1]),
    load(IDX_FILES[2]),
    load(IDX_FILES[3]),
  ]);
  return {
    name,
    height: 28,
    width: 28,
    channels: 1,
    classes: 10,
    train: { pixels: trainPixels, labels: trainLabels },
    test: { pixels: testPixels, labels: testLabels },
  };
}
