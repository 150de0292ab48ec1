import type { Trick } from "../family.js";

/**
 * The usual strengths: ε = 0.3 on MNIST, 8/255 on CIFAR-10. Ten steps of 2.5·ε/10 on MNIST, a quarter of the usual forty
 * and of their cost; on CIFAR-10 the usual seven of 2/255.
 */
export const pgdTraining: Trick = {
  flag: "pgd",
  title: "control: every real image is replaced by the end of a PGD ascent on the current weights",
  alone: true,
  settings: {
    mnist: { pgd: { epsilon: 0.3 * 255, stepSize: 0.075 * 255, steps: 10 } },
    cifar10: { pgd: { epsilon: 8, stepSize: 2, steps: 7 } },
  },
};
