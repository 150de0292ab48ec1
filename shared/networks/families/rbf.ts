import type { Family } from "../family.js";

export const rbf: Family = {
  name: "rbf",
  title: "exp(−x²) before each pooling, RBF head with the hybrid loss",
  activation: "rbf",
  head: "rbf",
  norm: true,
};
