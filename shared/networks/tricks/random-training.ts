import type { Trick } from "../family.js";

/** METHOD.md 1.8. */
export const randomTraining: Trick = {
  flag: "r",
  title: "random training: images ± a constant; half of the images on MNIST, half of the steps on CIFAR-10",
  settings: {
    mnist: { random: { epsilon: 0.5 * 255, probability: 0.5, scope: "image" } },
    cifar10: { random: { epsilon: 0.15 * 255, probability: 0.5, scope: "batch" } },
  },
};
