import { startEngine } from "../../../worker/engine/eager/backend.js";
import { programSuite } from "./program-suite.js";

programSuite("wasm", await startEngine("wasm"));
