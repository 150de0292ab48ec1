import { startEngine } from "../../../worker/engine/eager/backend.js";
import { networkEngineSuite } from "./program-suite.js";

const { tf } = await startEngine("wasm");
networkEngineSuite("wasm", tf);
