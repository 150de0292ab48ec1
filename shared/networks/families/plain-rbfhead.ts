import type { Family } from "../family.js";

export const plainRbfHead: Family = {
  name: "plain-rbfhead",
  title: "control: `plain` with the RBF head and the hybrid loss, all else as in `plain`",
  activation: null,
  head: "rbf",
  norm: false,
};
