import type { Family } from "../family.js";

/** On MNIST the paper's plain net has batch norm already. */
export const plainBn: Family = {
  name: "plain-bn",
  title: "control: `plain` with batch norm where the robust nets have it, all else as in `plain`",
  activation: null,
  head: "softmax",
  norm: true,
  on: ["cifar10"],
};
