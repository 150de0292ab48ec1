import { test } from "node:test";
import { findAddonPackage, hasAddon } from "../../../deploy/setup/addon.js";
import { startPrograms } from "../../../worker/engine/start.js";
import { cifarTruthSuite } from "./cifar-truth-suite.js";
import { truthSuite } from "./truth-suite.js";

// A process has one engine: so this one has a file of its own.
const folder = findAddonPackage("@tensorflow/tfjs-node", process.env);
if (folder !== undefined && hasAddon(folder)) {
  process.env["TF_CPP_MIN_LOG_LEVEL"] ??= "3";
  process.env["TF_NUM_INTRAOP_THREADS"] ??= "1";
  process.env["TF_NUM_INTEROP_THREADS"] ??= "1";
  const programs = await startPrograms("tensorflow", { compile: "on" });
  truthSuite("tensorflow", programs);
  cifarTruthSuite("tensorflow", programs);
} else {
  test("tensorflow makes PyTorch's steps", { skip: "tfjs-node has no addon here" }, () => undefined);
}
