/**
 * What the authors' own networks say about themselves: clean test errors in the per-epoch logs that are stored inside
 * the twelve networks of their release (METHOD.md 2.1). The printed tables of the paper could not be had.
 */
export const AUTHORS_SOURCE =
  "error logs stored in the networks of the authors' release, github.com/leduoba/robustCNN at commit bcd3263";

/** Shares in [0, 1]. */
interface AuthorsErrors {
  /** Test error after the last epoch, which is the network that is used. */
  final: number;
  /** Lowest test error of any epoch. */
  best: number;
  /** Training error after the last epoch. */
  train: number;
  /** Passes over the training set: METHOD.md 1.6. */
  epochs: number;
}

/** Percent: final, best, train; then epochs. */
const PERCENT: Readonly<Record<string, Readonly<Record<string, readonly [number, number, number, number]>>>> =
  {
    mnist: {
      plain: [0.87, 0.81, 0.072, 20],
      "plain-r-m": [0.9, 0.81, 0.222, 20],
      mrelu: [1.05, 1.01, 0.002, 20],
      "mrelu-r-m": [1.44, 1.35, 0.028, 20],
      rbf: [1.07, 0.95, 0.003, 20],
      "rbf-r-m": [1.51, 1.42, 0.019, 20],
    },
    cifar10: {
      plain: [21.69, 21.69, 10.79, 45],
      "plain-r-m": [25.29, 25.05, 19.41, 45],
      mrelu: [19.09, 19.09, 8.44, 90],
      "mrelu-r-m": [22.7, 22.7, 15.11, 90],
      rbf: [19.9, 19.34, 5.39, 90],
      "rbf-r-m": [23.78, 22.53, 13.61, 90],
    },
  };

/** Undefined for a network that the authors did not ship. */
export function authorsErrors(dataset: string, network: string): AuthorsErrors | undefined {
  const found = PERCENT[dataset]?.[network];
  if (found === undefined) return undefined;
  const [final, best, train, epochs] = found;
  return { final: final / 100, best: best / 100, train: train / 100, epochs };
}
