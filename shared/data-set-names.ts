/** The data sets there are. */
export const DATA_SET_NAMES = ["mnist", "fashion-mnist", "cifar10"] as const;
