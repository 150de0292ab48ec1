import type { Family } from "../family.js";

export const mrelu: Family = {
  name: "mrelu",
  title: "mirrored ReLU before each pooling, RBF head with the hybrid loss",
  activation: "mrelu",
  head: "rbf",
  norm: true,
};
