/** Which loss a network's head is trained on. */
import type { Head } from "../../../shared/networks/network.js";
import { hybridLoss } from "./hybrid-loss.js";
import type { Loss } from "./loss.js";
import { softmaxCrossEntropy } from "./softmax-cross-entropy.js";

/** The loss of each head. A new one is a file here and a kind of `Head`. */
export function lossOf(head: Head): Loss {
  switch (head.kind) {
    case "softmax":
      return softmaxCrossEntropy;
    case "rbf":
      return hybridLoss(head.loss);
  }
}
