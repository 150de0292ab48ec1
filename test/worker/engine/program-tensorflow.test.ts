import { test } from "node:test";
import { findAddonPackage, hasAddon } from "../../../deploy/setup/addon.js";
import { startEngine } from "../../../worker/engine/eager/backend.js";
import { startPrograms } from "../../../worker/engine/start.js";
import { eagerSuite } from "./eager-suite.js";
import { graphSuite } from "./graph-suite.js";
import { programSuite } from "./program-suite.js";

// A process has one engine: so this one has a file of its own.
const folder = findAddonPackage("@tensorflow/tfjs-node", process.env);
if (folder !== undefined && hasAddon(folder)) {
  process.env["TF_CPP_MIN_LOG_LEVEL"] ??= "3";
  const engine = await startEngine("tensorflow");
  programSuite("tensorflow, compiled", await startPrograms("tensorflow", { compile: "on" }));
  eagerSuite("tensorflow", engine);
  graphSuite(engine);
} else {
  test("tensorflow runs the networks", { skip: "tfjs-node has no addon here" }, () => undefined);
}
