import type { Family } from "../family.js";

export const plain: Family = {
  name: "plain",
  title: "the paper's ordinary net: softmax; on CIFAR-10 ReLU and no batch norm",
  activation: null,
  head: "softmax",
  norm: false,
};
