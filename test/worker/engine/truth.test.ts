import { startPrograms } from "../../../worker/engine/start.js";
import { cifarTruthSuite } from "./cifar-truth-suite.js";
import { truthSuite } from "./truth-suite.js";

const programs = await startPrograms("wasm");
truthSuite("wasm", programs);
cifarTruthSuite("wasm", programs);
