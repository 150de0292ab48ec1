import type { Trick } from "../family.js";

/** METHOD.md 1.10: β = 0.25 on MNIST, 0.05 on CIFAR-10. */
export const adversarialTraining: Trick = {
  flag: "a",
  title:
    "adversarial training: from the second epoch on half of the real images are attacked, on the weights with which the epoch began",
  settings: {
    mnist: { adversarial: { epsilon: 0.25 * 255, share: 0.5 } },
    cifar10: { adversarial: { epsilon: 0.05 * 255, share: 0.5 } },
  },
};
