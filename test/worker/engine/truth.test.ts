import { startEngine } from "../../../worker/engine/eager/backend.js";
import { cifarTruthSuite } from "./cifar-truth-suite.js";
import { truthSuite } from "./truth-suite.js";

const { tf } = await startEngine("wasm");
truthSuite("wasm", tf);
cifarTruthSuite("wasm", tf);
