/** The data sets there are. */
export const DATA_SET_NAMES = ["mnist", "fashion-mnist", "cifar10"] as const;
export type DataSetName = (typeof DATA_SET_NAMES)[number];

export interface DataSetSize {
  /** Training images. */
  train: number;
  /** Test images. */
  test: number;
}

/** Known without the data, whose files are checked against checksums or hold so many records. */
export const DATA_SET_SIZES: Readonly<Record<DataSetName, DataSetSize>> = {
  mnist: { train: 60_000, test: 10_000 },
  "fashion-mnist": { train: 60_000, test: 10_000 },
  cifar10: { train: 50_000, test: 10_000 },
};
