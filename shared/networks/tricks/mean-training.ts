import type { Trick } from "../family.js";

/** METHOD.md 1.9. */
export const meanTraining: Trick = {
  flag: "m",
  title: "mean training: noisy copies of the mean image and pure noise as two classes of their own",
  settings: {
    mnist: { mean: { copies: 6000, copyScale: 255, noise: 6000, noiseDeviation: 127.5 } },
    cifar10: { mean: { copies: 2500, copyScale: 64, noise: 2500, noiseDeviation: 96 } },
  },
};
